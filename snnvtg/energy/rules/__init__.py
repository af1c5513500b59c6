"""Counting rules: what one aten operation does, as counts by kind, a module for each family.

A rule is a function of a `Call`. Operations that move or rename data and do no arithmetic are listed in `free`.
`energy.operators` joins the families into the table of operators.
"""

from collections.abc import Callable

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call

Rule = Callable[[Call], Counts]

__all__ = ["Call", "Rule"]
