"""What an operation makes of the marks of its operands: a table from operation to rule.

A rule sees the operands as a `Marked` call and returns the Origin of the first result; operations in no table make
values.
"""

from snnvtg.energy.marks.call import Marked, MarkRule
from snnvtg.energy.marks.elementwise import ELEMENTWISE
from snnvtg.energy.marks.moves import KEEP, MOVES

MARKS: dict[str, MarkRule] = {**ELEMENTWISE, **MOVES}
"""operation (without overload or trailing underscore) → rule"""
DRAWN = frozenset({"bernoulli", "native_dropout"})
CREATES = frozenset(
    """
    empty empty_like new_empty empty_strided new_empty_strided zeros zeros_like new_zeros zero scalar_tensor full
    full_like new_full bernoulli native_dropout eq ne lt le gt ge heaviside where sub
    """.split()
)
"""they give marks to results of operands that have none"""
KEEPS_WEIGHTS = frozenset({*KEEP, "_to_copy", "mul", "div", "cat", "stack"})
"""a copy of a weight, or a weight times a number, is a weight"""

__all__ = ["CREATES", "DRAWN", "KEEPS_WEIGHTS", "MARKS", "MarkRule", "Marked"]
