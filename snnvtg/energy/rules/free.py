"""Operations that compute nothing: they rename, move, allocate or convert.

They are listed, never guessed; the bytes that copies move are recorded all the same.
"""

VIEWS = frozenset(
    """
    view _unsafe_view reshape _reshape_alias t transpose permute expand squeeze unsqueeze select slice narrow split
    split_with_sizes unbind chunk unfold detach alias as_strided diagonal movedim swapaxes view_as_real view_as_complex
    lift_fresh lift expand_as unflatten flatten numpy_T mT unsafe_split unsafe_split_with_sizes unsafe_chunk
    """.split()
)
"""they touch no entry: mark and bytes are those of their base, and no record is made"""

COPIES = frozenset(
    """
    clone contiguous _to_copy copy copy_ cat stack index index_select gather scatter repeat repeat_interleave flip roll
    constant_pad_nd embedding _unsafe_index slice_scatter select_scatter
    index_copy index_copy_ index_fill masked_select take tril triu masked_scatter im2col pixel_shuffle channel_shuffle
    upsample_nearest1d upsample_nearest2d upsample_nearest3d reflection_pad1d replication_pad1d reflection_pad2d
    replication_pad2d pin_memory
    """.split()
)
ALLOCATIONS = frozenset(
    """
    empty empty_like empty_strided new_empty new_empty_strided zeros zeros_like new_zeros ones ones_like new_ones full
    full_like new_full arange linspace eye scalar_tensor fill zero resize_ set_ tril_indices triu_indices
    _efficientzerotensor
    """.split()
)
QUERIES = frozenset(
    """
    _local_scalar_dense item is_same_size equal nonzero device dtype layout size stride storage_offset is_contiguous
    numel dim sym_size sym_stride sym_numel sym_storage_offset is_nonzero _fused_sdp_choice
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
FREE = VIEWS | COPIES | ALLOCATIONS | QUERIES
