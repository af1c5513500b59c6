"""Counting rules: what one aten operation does, as counts by kind.

A rule is a function of a `Call`; tables map aten names (without overloads) to rules. Operations that move or rename
data and do no arithmetic are listed in `free.FREE`; whatever is in neither is reported as unpriced.
"""

from collections.abc import Callable

from snnvtg.energy.account import Counts
from snnvtg.energy.rules import free
from snnvtg.energy.rules.attention import ATTENTION
from snnvtg.energy.rules.backward import BACKWARD, MOVES
from snnvtg.energy.rules.call import Call
from snnvtg.energy.rules.complexes import TRANSFORMS
from snnvtg.energy.rules.elementwise import ELEMENTWISE
from snnvtg.energy.rules.linear import LINEAR
from snnvtg.energy.rules.matrices import MATRICES
from snnvtg.energy.rules.recurrent import RECURRENT
from snnvtg.energy.rules.reductions import REDUCTIONS
from snnvtg.energy.rules.training import TRAINING

Rule = Callable[[Call], Counts]
RULES: dict[str, Rule] = {
    **ELEMENTWISE,
    **LINEAR,
    **MATRICES,
    **RECURRENT,
    **REDUCTIONS,
    **ATTENTION,
    **TRANSFORMS,
    **BACKWARD,
    **TRAINING,
}
FREE = free.FREE | MOVES

__all__ = ["FREE", "RULES", "Call", "Rule"]
