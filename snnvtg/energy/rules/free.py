"""Operations that compute nothing: they rename, move, allocate or convert.

They are listed, never guessed; the bytes that copies move are recorded all the same.
"""

VIEWS = frozenset(
    """
    view _unsafe_view reshape _reshape_alias t transpose permute expand squeeze unsqueeze select slice narrow split
    split_with_sizes unbind chunk unfold detach alias as_strided diagonal movedim swapaxes view_as_real view_as_complex
    lift_fresh lift expand_as unflatten flatten numpy_T mT unsafe_split unsafe_split_with_sizes unsafe_chunk
    _conj conj _neg_view resolve_conj resolve_neg real imag values indices _values _indices crow_indices col_indices
    ccol_indices row_indices
    """.split()
)
"""they touch no entry: mark and bytes are those of their base, and no record is made"""

COPIES = frozenset(
    """
    clone contiguous _to_copy copy copy_ cat stack index index_select gather scatter repeat repeat_interleave flip roll
    constant_pad_nd embedding _unsafe_index slice_scatter select_scatter
    index_copy index_copy_ index_fill masked_select take tril triu masked_scatter im2col pixel_shuffle channel_shuffle
    upsample_nearest1d upsample_nearest2d upsample_nearest3d reflection_pad1d replication_pad1d reflection_pad2d
    replication_pad2d reflection_pad3d replication_pad3d pin_memory _pin_memory pixel_unshuffle native_channel_shuffle
    rot90 diag_embed block_diag diagonal_scatter as_strided_scatter slice_inverse select_copy _stack _lazy_clone
    _copy_from _to_dense to_dense _to_sparse to_sparse to_sparse_csr _to_sparse_csr _coalesce coalesce _coalesced
    sparse_mask complex put nonzero_static to_padded_tensor max_unpool2d max_unpool3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d _unsafe_masked_index expand_copy view_copy permute_copy
    transpose_copy squeeze_copy unsqueeze_copy split_copy alias_copy detach_copy t_copy unbind_copy slice_copy
    _chunk_cat _pack_padded_sequence
    """.split()
)
ALLOCATIONS = frozenset(
    """
    empty empty_like empty_strided new_empty new_empty_strided zeros zeros_like new_zeros ones ones_like new_ones full
    full_like new_full arange linspace eye scalar_tensor fill zero resize_ set_ tril_indices triu_indices
    _efficientzerotensor logspace range hann_window hamming_window blackman_window bartlett_window kaiser_window
    empty_permuted resize resize_as resize_as_ set fft_fftfreq fft_rfftfreq _sparse_coo_tensor_with_dims_and_tensors
    _sparse_coo_tensor_unsafe sparse_coo_tensor _sparse_compressed_tensor_unsafe
    _sparse_coo_tensor_with_dims
    """.split()
)
QUERIES = frozenset(
    """
    _local_scalar_dense item is_same_size equal nonzero device dtype layout size stride storage_offset is_contiguous
    numel dim sym_size sym_stride sym_numel sym_storage_offset is_nonzero _fused_sdp_choice
    _nnz _dimI _dimV sparse_dim dense_dim is_coalesced is_pinned is_set_to record_stream _assert_async _assert_scalar
    _assert_tensor_metadata _functional_assert_async _functional_assert_scalar _print _has_same_storage_numel allclose
    _is_all_true _is_any_true _use_cudnn_ctc_loss _nested_tensor_size is_same_size
    profiler::_record_function_enter_new profiler::_record_function_exit
    """.split()
)
OVERWRITE = frozenset(
    """
    copy_ fill_ zero_ normal_ uniform_ random_ bernoulli_ exponential_ log_normal_ geometric_ cauchy_ index_put_
    index_copy_ scatter_ masked_fill_ resize_ set_
    """.split()
)
"""in-place operations that do not read what they write over"""
