"""What an operation makes of the marks of its operands: a table from operation to rule.

A rule sees the operands as a `Marked` call and returns the Origin of the first result; operations in no table make
values. Straight-through idioms are followed: with s spikes and x values, (s − x) + x and (s + x) − x are s (where s is 0
exactly, where it is 1 but for rounding), x − x is zero. The x has to be the same entries of the same memory, unwritten
since.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from snnvtg.energy.origin import (
    BINARY,
    EMPTY,
    NOWHERE,
    ZERO,
    Mark,
    Origin,
    joined,
    mapped,
    multiplied,
    scaled,
    sources,
)


class Tracker(Protocol):
    """Who knows the origins: a Provenance."""

    neuron: str
    where: str

    def origin(self, value: object) -> Origin: ...
    def place(self, value: Tensor) -> tuple: ...


@dataclass(slots=True)
class Marked:
    """An operation's operands and who knows their origins."""

    name: str
    args: tuple
    kwargs: dict[str, Any]
    tracker: Tracker

    def origin(self, position: int = 0) -> Origin:
        """The origin of an argument; literal numbers are their own constant."""
        value = self.arg(position)
        if isinstance(value, int | float):
            return ZERO if value == 0 else Origin(Mark.MASK, float(value))
        return self.tracker.origin(value)

    def arg(self, position: int, name: str = "", default: Any = None) -> Any:
        """An argument given by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


MarkRule = Callable[[Marked], Origin]


def first(call: Marked) -> Origin:
    """The mark of the first operand: what copies, gathers, pads with zeros or with copies, or takes maxima."""
    return call.origin()


def function(of: Callable[..., float], *names: str) -> MarkRule:
    """An elementwise function of the first operand and literal numbers, called `names` where given by name."""

    def rule(call: Marked) -> Origin:
        origin = call.origin()
        if origin.mark not in BINARY:
            return NOWHERE
        literals = [call.arg(i, name) for i, name in enumerate(names, 1)]
        if any(isinstance(value, Tensor) for value in literals):
            return NOWHERE
        return mapped(origin, lambda entry: of(entry, *literals))

    return rule


def comparison(of: Callable[[float, float], bool]) -> MarkRule:
    """A comparison: with a number, or of spikes with spikes; inside a neuron it is what makes the spikes."""

    def rule(call: Marked) -> Origin:
        left, right = call.origin(0), call.args[1]
        if not isinstance(right, Tensor):
            found = mapped(left, lambda entry: of(entry, right))
        else:
            other = call.origin(1)
            found = NOWHERE
            if left.mark is other.mark is Mark.SPIKE and not of(0, 0):  # silent where both are
                found = Origin(Mark.SPIKE, num_timesteps=left.num_timesteps, source=sources([left, other]))
        return found if found.mark is not None else compared(call)

    return rule


def compared(call: Marked) -> Origin:
    """A new mask, or the spikes of the neuron that is being run."""
    tracker, number = call.tracker, call.args[0]
    if tracker.neuron:
        return Origin(Mark.SPIKE, source=tracker.neuron)
    floating = isinstance(number, Tensor) and number.is_floating_point()
    return Origin(Mark.MASK, source=tracker.where if floating else "")


def conjunction(call: Marked) -> Origin:
    """a and b: where a spike is one of them, some of its spikes."""
    if call.name.startswith("bitwise") and not _bits(call):
        return NOWHERE
    both = [call.origin(0), call.origin(1)]
    spikes = [o for o in both if o.mark is Mark.SPIKE]
    if spikes:
        steps = max(o.num_timesteps for o in both)
        return Origin(Mark.SPIKE, num_timesteps=steps, source=sources(spikes))
    return Origin(Mark.QUIET) if both[0].mark is both[1].mark is Mark.QUIET else Origin(Mark.MASK)


def disjunction(call: Marked) -> Origin:
    """a or b, either a or b: spikes where both are."""
    if call.name.startswith("bitwise") and not _bits(call):
        return NOWHERE
    both = [call.origin(0), call.origin(1)]
    if both[0].mark is both[1].mark is Mark.SPIKE:
        steps = max(o.num_timesteps for o in both)
        return Origin(Mark.SPIKE, num_timesteps=steps, source=sources(both))
    return Origin(Mark.MASK)


ONES = Origin(Mark.MASK)


def _bits(call: Marked) -> bool:
    """Whether a bitwise operation meets bits: booleans, or integers that are 0 or 1."""
    return all(
        isinstance(a, Tensor) and (a.dtype is torch.bool or call.origin(i).is_scaled_as(ONES))
        for i, a in enumerate(call.args[:2])
    )


def negation(call: Marked) -> Origin:
    """not a, of truth values."""
    if call.name == "bitwise_not" and call.args[0].dtype is not torch.bool:
        return NOWHERE
    found = mapped(call.origin(), lambda entry: entry == 0)
    return found if found.mark is not None else Origin(Mark.MASK)


def largest(call: Marked) -> Origin:
    """max, min: of one tensor some of its entries, of two an `extremum`."""
    return extremum(call) if isinstance(call.arg(1), Tensor) else call.origin()


def happened(call: Marked) -> Origin:
    """any, all."""
    found = mapped(call.origin(), lambda entry: entry != 0)
    return found if found.mark is not None else Origin(Mark.MASK)


def extremum(call: Marked) -> Origin:
    """maximum, minimum of two: of spikes of one scale spikes; the smaller of a spike and a mask a spike or nothing."""
    left, right = call.origin(0), call.origin(1)
    if Mark.ZERO in (left.mark, right.mark):
        bound = max if call.name in ("maximum", "max") else min
        return mapped(left if right.mark is Mark.ZERO else right, lambda entry: bound(entry, 0.0))
    if not left.is_scaled_as(right) or not {left.mark, right.mark} <= BINARY or left.signed or right.signed:
        return NOWHERE
    if left.mark is right.mark:
        return replace(left, source=sources([left, right]))
    if Mark.SPIKE in (left.mark, right.mark) and call.name in ("minimum", "min") and left.known > 0:
        return left if left.mark is Mark.SPIKE else right
    return Origin(Mark.MASK, left.constant, left.factors)


def product(call: Marked) -> Origin:
    """a · b: with a number or a one-element tensor a scale, of binary tensors a choice."""
    left, right = call.args[0], call.args[1]
    if not isinstance(right, Tensor):
        return scaled(call.origin(0), float(right)) if isinstance(right, int | float) else NOWHERE
    if not isinstance(left, Tensor):
        return scaled(call.origin(1), float(left)) if isinstance(left, int | float) else NOWHERE
    a, b = call.origin(0), call.origin(1)
    if a.mark in BINARY and b.mark in BINARY:
        return multiplied(a, b)
    if a.mark in BINARY and right.numel() == 1 and left.numel() > 1:
        return scaled(a, 1.0, ((*call.tracker.place(right), 1),))
    if b.mark in BINARY and left.numel() == 1 and right.numel() > 1:
        return scaled(b, 1.0, ((*call.tracker.place(left), 1),))
    return ZERO if Mark.ZERO in (a.mark, b.mark) else NOWHERE


def quotient(call: Marked) -> Origin:
    """a / b: with a number or a one-element tensor a scale."""
    by = call.args[1]
    if call.kwargs.get("rounding_mode") is not None or not isinstance(call.args[0], Tensor):
        return NOWHERE
    if not isinstance(by, Tensor):
        return scaled(call.origin(), 1 / by if by else math.nan)
    if by.numel() == 1 and call.args[0].numel() > 1:
        return scaled(call.origin(), 1.0, ((*call.tracker.place(by), -1),))
    return NOWHERE


def sum_of_two(call: Marked) -> Origin:
    """a + alpha·b and a − alpha·b: with a number a function of each entry, with zeros the other, else pending."""
    left, right, sign = call.args[0], call.args[1], -1.0 if call.name == "sub" else 1.0
    alpha = call.arg(2, "alpha", 1)
    if not isinstance(right, Tensor):
        return mapped(call.origin(), lambda entry: entry + sign * alpha * right)
    if not isinstance(left, Tensor) or alpha != 1:
        return NOWHERE
    a, b = call.origin(0), call.origin(1)
    if b.mark is Mark.ZERO:
        return a if a.mark in BINARY or a.mark is Mark.ZERO else NOWHERE
    if a.mark is Mark.ZERO:
        return scaled(b, sign)
    if sign < 0 and left.is_floating_point() and left.data_ptr() == right.data_ptr() and _same(call, left, right):
        return ZERO
    return _straight_through(call, a, b, sign)


def _same(call: Marked, left: Tensor, right: Tensor) -> bool:
    return call.tracker.place(left) == call.tracker.place(right)


def _straight_through(call: Marked, a: Origin, b: Origin, sign: float) -> Origin:
    """Take up, or resolve, a spike tensor with values added or taken away."""
    left, right = call.args[:2]
    for mine, tensor, other in ((a, left, right), (b, right, left)):
        if mine.pending is not None and (sign > 0 or tensor is left):
            spikes, away, shapes, place = mine.pending
            whole = (
                tensor.shape == torch.broadcast_shapes(*shapes)
                and tensor.is_contiguous()
                and tensor.storage_offset() == 0
            )
            if whole and away == -sign and place == call.tracker.place(other):
                return spikes
    shapes = left.shape, right.shape
    if a.mark in (Mark.SPIKE, Mark.QUIET) and b.mark not in BINARY:
        return Origin(pending=(a, sign, shapes, call.tracker.place(right)))
    if sign > 0 and b.mark in (Mark.SPIKE, Mark.QUIET) and a.mark not in BINARY:
        return Origin(pending=(b, sign, shapes, call.tracker.place(left)))
    return NOWHERE


def difference_from(call: Marked) -> Origin:
    """b − alpha·a (rsub)."""
    if isinstance(call.args[1], Tensor):
        return NOWHERE
    alpha = call.arg(2, "alpha", 1)
    return mapped(call.origin(), lambda entry: call.args[1] - alpha * entry)


def converted(call: Marked) -> Origin:
    """A change of type: to integers the constant is cut off, to booleans it is 1."""
    dtype, origin = call.kwargs.get("dtype"), call.origin()
    if origin.mark not in BINARY or dtype is None or dtype.is_floating_point or dtype.is_complex:
        return origin
    return mapped(origin, (lambda entry: entry != 0) if dtype is torch.bool else math.trunc)


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


def dropped(call: Marked) -> Origin:
    """native_dropout(x, p, train): survivors grow by 1 / (1 − p)."""
    p, training = call.args[1], call.arg(2, "train")
    return scaled(call.origin(), 1 / (1 - p)) if training and p < 1 else call.origin()


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


UNWRITTEN = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})
DRAWN = frozenset({"bernoulli", "native_dropout"})
_FIRST = """
    clone contiguous index_select gather index _unsafe_index repeat repeat_interleave flip roll take masked_select
    im2col pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle tril triu amax amin cummax cummin sort topk
    max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d
    _to_sparse _to_dense _coalesce sparse_mask masked_select upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d detach_ rot90
    """
_FUNCTIONS: dict[str, MarkRule] = {
    "abs": function(abs),
    "neg": lambda call: scaled(call.origin(), -1.0),
    "relu": function(lambda x: max(x, 0.0)),
    "sign": function(lambda x: (x > 0) - (x < 0)),
    "sgn": function(lambda x: (x > 0) - (x < 0)),
    "sqrt": function(math.sqrt),
    "square": function(lambda x: x * x),
    "tanh": function(math.tanh),
    "floor": function(math.floor),
    "ceil": function(math.ceil),
    "trunc": function(math.trunc),
    "round": function(round),
    "clamp": function(lambda x, low, high: _clamped(x, low, high), "min", "max"),
    "clamp_min": function(lambda x, low: _clamped(x, low, None), "min"),
    "clamp_max": function(lambda x, high: _clamped(x, None, high), "max"),
    "hardtanh": function(lambda x, low, high: _clamped(x, -1 if low is None else low, 1 if high is None else high), "", ""),
    "threshold": function(lambda x, limit, value: x if x > limit else value, "threshold", "value"),
    "pow": function(lambda x, exponent: x**exponent, "exponent"),
    "leaky_relu": function(lambda x, slope: x if x >= 0 else x * (0.01 if slope is None else slope), "negative_slope"),
}  # fmt: skip


def _clamped(x: float, low: float | None, high: float | None) -> float:
    # of an unknown constant nothing is known but that 0 stays 0
    x = x if low is None or not x < low else low
    return x if high is None or not x > high else high


MARKS: dict[str, MarkRule] = {
    **dict.fromkeys(_FIRST.split(), first),
    **dict.fromkeys(["max", "min"], largest),
    **dict.fromkeys(["any", "all"], happened),
    **_FUNCTIONS,
    **{name: comparison(getattr(operator, name)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "heaviside": compared,
    **dict.fromkeys(["logical_and", "bitwise_and"], conjunction),
    **dict.fromkeys(["logical_or", "bitwise_or", "logical_xor", "bitwise_xor"], disjunction),
    **dict.fromkeys(["logical_not", "bitwise_not"], negation),
    **dict.fromkeys(["maximum", "minimum"], extremum),
    "mul": product,
    "div": quotient,
    **dict.fromkeys(["add", "sub"], sum_of_two),
    "rsub": difference_from,
    "_to_copy": converted,
    **dict.fromkeys(["cat", "stack"], concatenated),
    "copy": replaced,
    **dict.fromkeys(["slice_scatter", "select_scatter"], written(1)),
    **dict.fromkeys(["index_put", "_index_put_impl", "_unsafe_index_put"], placed),
    **dict.fromkeys(["index_copy", "scatter"], written(3)),
    "masked_scatter": written(2),
    "masked_fill": filled,
    "index_fill": filled,
    "constant_pad_nd": padded,
    "where": chosen,
    "native_dropout": dropped,
    **dict.fromkeys(["mean", "sum", "prod"], reduced),
    **dict.fromkeys(UNWRITTEN, fresh(EMPTY)),
    **dict.fromkeys(["zeros", "zeros_like", "new_zeros", "zero"], fresh(ZERO)),
    "bernoulli": fresh(Origin(Mark.MASK)),
    "scalar_tensor": full(0),
    "full": full(1),
    "full_like": full(1),
    "new_full": full(2),
    "fill": full(1),
}
"""operation (without overload or trailing underscore) → rule"""
CREATES = frozenset(
    """
    empty empty_like new_empty empty_strided new_empty_strided zeros zeros_like new_zeros zero scalar_tensor full
    full_like new_full bernoulli native_dropout eq ne lt le gt ge heaviside where sub
    """.split()
)
"""they give marks to results of operands that have none"""
KEEPS_WEIGHTS = frozenset({*_FIRST.split(), "_to_copy", "mul", "div", "cat", "stack"})
"""a copy of a weight, or a weight times a number, is a weight"""
