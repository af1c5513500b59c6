"""Entries moved, joined, filled in, reduced away, and new memory."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from snnvtg.energy.marks.call import Marked, MarkRule
from snnvtg.energy.origin import (
    BINARY,
    EMPTY,
    MASK,
    NOWHERE,
    ZERO,
    Mark,
    Origin,
    joined,
    mapped,
)


def first(call: Marked) -> Origin:
    """The mark of the first operand: what copies, gathers, pads with zeros or with copies, or takes maxima."""
    return call.origin()


def concatenated(call: Marked) -> Origin:
    """cat, stack."""
    return joined([call.tracker.origin(tensor) for tensor in call.args[0]])


def written(position: int) -> MarkRule:
    """Some entries of the first operand replaced by those of another, or of a number."""

    def rule(call: Marked) -> Origin:
        if call.kwargs.get("reduce") is not None:
            return NOWHERE
        return joined([call.origin(0), call.origin(position)])

    return rule


def placed(call: Marked) -> Origin:
    """index_put(x, indices, values, accumulate = False)."""
    return NOWHERE if call.arg(3, "accumulate", False) else joined([call.origin(0), call.origin(2)])


def replaced(call: Marked) -> Origin:
    """copy_: the entries of the second operand, in the type of the first."""
    target, origin = call.args[0], call.origin(1)
    if origin.mark in BINARY and not (target.is_floating_point() or target.is_complex()):
        return mapped(origin, (lambda entry: entry != 0) if target.dtype is torch.bool else math.trunc)
    return origin


def filled(call: Marked) -> Origin:
    """masked_fill, index_fill, padding: zeros let in change nothing, the constant itself would be false spikes."""
    value = call.args[-1] if isinstance(call.args[-1], int | float | Tensor) else call.kwargs.get("value", 0)
    value = 0 if value is None else value
    zero = call.tracker.origin(value).mark is Mark.ZERO if isinstance(value, Tensor) else value == 0
    return call.origin() if zero else NOWHERE


def padded(call: Marked) -> Origin:
    """constant_pad_nd(x, pad, value = 0)."""
    return call.origin() if call.arg(2, "value", 0) == 0 else NOWHERE


def chosen(call: Marked) -> Origin:
    """where(condition, a, b): both joined; between a number and zero the condition itself."""
    if len(call.args) < 3:
        return NOWHERE
    condition, a, b = call.origin(0), call.origin(1), call.origin(2)
    literal = [not isinstance(value, Tensor) or value.dim() == 0 for value in call.args[1:3]]
    if all(literal) and condition.mark in BINARY:
        if b.mark is Mark.ZERO and a.mark is Mark.MASK:
            return replace(condition, constant=a.constant, factors=(), signed=False)
        if a.mark is Mark.ZERO and b.mark is Mark.MASK:
            return replace(mapped(condition, lambda entry: entry == 0), constant=b.constant)
    return joined([a, b])


def reduced(call: Marked) -> Origin:
    """mean, sum, prod over axes of length 1 leave the entries as they are."""
    x, axes = call.args[0], call.arg(1, "dim")
    axes = (axes,) if isinstance(axes, int) else axes or range(x.dim())
    return call.origin() if all(x.shape[axis] == 1 for axis in axes) else NOWHERE


def fresh(origin: Origin) -> MarkRule:
    """New memory."""
    return lambda call: origin


def full(position: int) -> MarkRule:
    """New memory of one value, at `position` of the arguments."""

    def rule(call: Marked) -> Origin:
        value = call.arg(position, "fill_value", 1)
        return ZERO if isinstance(value, int | float) and value == 0 else NOWHERE

    return rule


def scalar(call: Marked) -> Origin:
    """scalar_tensor: a number of the program's."""
    value = call.args[0]
    return ZERO if value == 0 else Origin(Mark.MASK, float(value)) if isinstance(value, int | float) else NOWHERE


KEEP = frozenset(
    """
    clone contiguous index_select gather index _unsafe_index repeat repeat_interleave flip roll take
    masked_select im2col pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle tril triu amax
    amin cummax cummin sort topk max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d
    adaptive_max_pool3d upsample_nearest1d _to_sparse _to_dense _coalesce sparse_mask upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d reflection_pad1d reflection_pad2d
    reflection_pad3d replication_pad1d replication_pad2d replication_pad3d detach_ rot90
    """.split()
)
MOVES: dict[str, MarkRule] = {
    **dict.fromkeys(KEEP, first),
    **dict.fromkeys(["cat", "stack"], concatenated),
    "copy": replaced,
    **dict.fromkeys(["slice_scatter", "select_scatter"], written(1)),
    **dict.fromkeys(["index_put", "_index_put_impl", "_unsafe_index_put"], placed),
    **dict.fromkeys(["index_copy", "scatter"], written(3)),
    "masked_scatter": written(2),
    **dict.fromkeys(["masked_fill", "index_fill"], filled),
    "constant_pad_nd": padded,
    "where": chosen,
    **dict.fromkeys(["mean", "sum", "prod"], reduced),
    **dict.fromkeys(["empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"], fresh(EMPTY)),
    **dict.fromkeys(["zeros", "zeros_like", "new_zeros", "zero"], fresh(ZERO)),
    "bernoulli": fresh(MASK),
    "scalar_tensor": scalar,
    "full": full(1),
    "full_like": full(1),
    "new_full": full(2),
    "fill": full(1),
}
