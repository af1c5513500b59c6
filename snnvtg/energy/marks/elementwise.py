"""Element by element: functions of one tensor, comparisons, logic, products and sums of two.

Straight-through idioms are followed: with s spikes and x values, (s − x) + x and (s + x) − x are s (where s is 0
exactly, where it is 1 but for rounding), x − x is zero. The x has to be the same entries of the same memory, unwritten
since.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from snnvtg.energy.marks.call import Marked, MarkRule
from snnvtg.energy.origin import (
    BINARY,
    NOWHERE,
    ZERO,
    Mark,
    Origin,
    mapped,
    multiplied,
    scaled,
    sources,
)


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


def dropped(call: Marked) -> Origin:
    """native_dropout(x, p, train): survivors grow by 1 / (1 − p)."""
    p, training = call.args[1], call.arg(2, "train")
    return scaled(call.origin(), 1 / (1 - p)) if training and p < 1 else call.origin()


def _clamped(x: float, low: float | None, high: float | None) -> float:
    # of an unknown constant nothing is known but that 0 stays 0
    x = x if low is None or not x < low else low
    return x if high is None or not x > high else high


def _bounded(x: float, low: float | None, high: float | None) -> float:
    return _clamped(x, -1 if low is None else low, 1 if high is None else high)


def _leaking(x: float, slope: float | None) -> float:
    return x if x >= 0 else x * (0.01 if slope is None else slope)


ELEMENTWISE: dict[str, MarkRule] = {
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
    "clamp": function(_clamped, "min", "max"),
    "clamp_min": function(lambda x, low: _clamped(x, low, None), "min"),
    "clamp_max": function(lambda x, high: _clamped(x, None, high), "max"),
    "hardtanh": function(_bounded, "min_val", "max_val"),
    "threshold": function(lambda x, limit, value: x if x > limit else value, "threshold", "value"),
    "pow": function(lambda x, exponent: x**exponent, "exponent"),
    "leaky_relu": function(_leaking, "negative_slope"),
    **{name: comparison(getattr(operator, name)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "heaviside": compared,
    **dict.fromkeys(["logical_and", "bitwise_and"], conjunction),
    **dict.fromkeys(["logical_or", "bitwise_or", "logical_xor", "bitwise_xor"], disjunction),
    **dict.fromkeys(["logical_not", "bitwise_not"], negation),
    **dict.fromkeys(["maximum", "minimum"], extremum),
    **dict.fromkeys(["max", "min"], largest),
    **dict.fromkeys(["any", "all"], happened),
    "mul": product,
    "div": quotient,
    **dict.fromkeys(["add", "sub"], sum_of_two),
    "rsub": difference_from,
    "_to_copy": converted,
    "native_dropout": dropped,
}
