"""Where the entries of a tensor come from: never judged by their values.

    SPIKE   the output of a spiking neuron or a spike encoder, times one constant (which folds into the weights it
            meets), zeros masked in or not
    QUIET   the constant where such a spike is missing, 0 where it is there: 1 − s
    MASK    comparisons and drawn bits: padding masks, dropout masks, times one constant
    WEIGHT  parameters and buffers of the model
    ZERO    zeros that nothing has been written over
    EMPTY   memory that was only allocated; who reads it reads what a kernel wrote that torch does not dispatch
    SUM     what spikes added up: a current that lies in the potential already

SPIKE, QUIET and MASK are binary: 0 or their constant. What maps {0, c} onto {0, c'} keeps the mark.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum


class Mark(IntEnum):
    """What entries are, see above."""

    SPIKE, QUIET, MASK, WEIGHT, ZERO, EMPTY, SUM = range(1, 8)
    __hash__ = int.__hash__  # an enum's own is Python's, and a ledger looks marks up in sets all the time


BINARY = frozenset({Mark.SPIKE, Mark.QUIET, Mark.MASK})
COMPLEMENT = {Mark.SPIKE: Mark.QUIET, Mark.QUIET: Mark.SPIKE, Mark.MASK: Mark.MASK}


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a tensor's entries.

    `constant` is what the entries are that are not 0; `factors` names the one-element tensors that it is multiplied by
    on top (their values are not read). `signed`: the entries may also be −constant (ternary neurons).
    `num_timesteps` simulation steps lie on the leading axis. `source`: the neurons that made the spikes, or the module
    that compared. `since`: for entries that descend from spikes and are none, the operation at which the mark ended.
    `pending`: a straight-through difference or sum, see `marks`.
    """

    mark: Mark | None = None
    constant: float = 1.0
    factors: tuple[tuple, ...] = ()
    signed: bool = False
    num_timesteps: int = 1
    source: str = ""
    since: str = ""
    pending: tuple | None = None

    def is_scaled_as(self, other: "Origin") -> bool:
        """Whether two binary tensors have the same entries other than 0; false where that is not known."""
        return self.constant == other.constant and self.factors == other.factors

    @property
    def known(self) -> float:
        """The constant where its value is known, nan elsewhere."""
        return math.nan if self.factors else self.constant


NOWHERE = Origin()
ZERO, EMPTY, MASK, WEIGHT = Origin(Mark.ZERO), Origin(Mark.EMPTY), Origin(Mark.MASK), Origin(Mark.WEIGHT)
ZERO_WEIGHT = Origin(Mark.WEIGHT, constant=0.0)
"""a buffer that holds nothing but zeros"""


def joined(origins: list[Origin]) -> Origin:
    """Entries of several tensors side by side: spikes beside spikes of the same scale, or beside zeros, are spikes."""
    written = [o for o in origins if o.mark not in (Mark.ZERO, Mark.EMPTY)]
    if not written:
        return next((o for o in origins if o.mark is Mark.ZERO), origins[0])
    if any(o.mark in BINARY for o in written):
        written = [o for o in written if o.mark is not Mark.WEIGHT or o.constant]
    first = written[0]
    if any(o.mark is not first.mark for o in written):
        return NOWHERE
    if first.mark not in BINARY:
        return first if first.mark is not None else NOWHERE
    if not all(first.is_scaled_as(o) for o in written[1:]):
        return NOWHERE
    return replace(first, signed=any(o.signed for o in written), source=sources(written))


def sources(origins: list[Origin]) -> str:
    """The names of all the neurons behind these tensors, each once."""
    return ", ".join(dict.fromkeys(name for o in origins for name in o.source.split(", ") if name))


def mapped(origin: Origin, function: Callable[[float], float]) -> Origin:
    """The origin of `function` of every entry, worked out on the values that an entry can have: 0 and the constant."""
    if origin.mark not in BINARY:
        return NOWHERE
    constant = origin.known
    try:
        at_zero, at_one = float(function(0.0)), float(function(constant))
        at_minus = float(function(-constant)) if origin.signed else 0.0
    except (ValueError, OverflowError, ZeroDivisionError):
        return NOWHERE
    if at_zero == 0 and at_minus in (0, at_one, -at_one):
        signed = origin.signed and at_minus == -at_one
        return replace(origin, constant=at_one, factors=(), signed=signed)
    if at_one == 0 and at_minus == 0 and math.isfinite(at_zero):
        return replace(origin, mark=COMPLEMENT[origin.mark], constant=at_zero, factors=(), signed=False)
    return NOWHERE


def scaled(origin: Origin, constant: float, factors: tuple[tuple, ...] = ()) -> Origin:
    """Entries times a number, known (`constant`) or a one-element tensor's (`factors`)."""
    if origin.mark not in BINARY:
        return origin if origin.mark is not None else NOWHERE
    return replace(origin, constant=origin.constant * constant, factors=tuple(sorted((*origin.factors, *factors))))


def multiplied(left: Origin, right: Origin) -> Origin:
    """Entry by entry: a spike times anything binary is a spike or nothing."""
    marks = {left.mark, right.mark}
    if Mark.ZERO in marks:
        return ZERO
    if not marks <= BINARY:
        return NOWHERE
    if Mark.SPIKE in marks:
        mark, driving = Mark.SPIKE, [o for o in (left, right) if o.mark is Mark.SPIKE]
    else:  # ones that a mask leaves out are not where a spike is missing: only two complements make one
        mark, driving = (Mark.QUIET if marks == {Mark.QUIET} else Mark.MASK), [left, right]
    return Origin(
        mark,
        left.constant * right.constant,
        tuple(sorted((*left.factors, *right.factors))),
        left.signed or right.signed,
        max(left.num_timesteps, right.num_timesteps),
        sources(driving),
    )
