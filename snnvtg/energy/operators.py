"""The one table of operators: every aten operation the ledger knows, what it computes, and what becomes of marks.

A rule is written beside its family (`rules/`, `marks/`); here all that is known of one operation meets, and
nothing is looked up elsewhere. What is in no family is reported as unpriced. `print(table())` shows it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from snnvtg.energy import marks
from snnvtg.energy.marks import MARKS, MarkRule
from snnvtg.energy.rules import Rule, free
from snnvtg.energy.rules.attention import ATTENTION
from snnvtg.energy.rules.backward import BACKWARD, MOVES
from snnvtg.energy.rules.complexes import TRANSFORMS
from snnvtg.energy.rules.elementwise import ELEMENTWISE
from snnvtg.energy.rules.linear import LINEAR, LOOKUPS
from snnvtg.energy.rules.matrices import MATRICES
from snnvtg.energy.rules.recurrent import RECURRENT
from snnvtg.energy.rules.reductions import REDUCTIONS
from snnvtg.energy.rules.training import TRAINING

PRICED: Mapping[str, Mapping[str, Rule]] = {
    "elementwise": ELEMENTWISE,
    "linear": LINEAR,
    "matrices": MATRICES,
    "recurrent": RECURRENT,
    "reductions": REDUCTIONS,
    "attention": ATTENTION,
    "transforms": TRANSFORMS,
    "backward": BACKWARD,
    "training": TRAINING,
}
"""family → operation → what it counts"""
UNPRICED: Mapping[str, Iterable[str]] = {
    "views": free.VIEWS,
    "copies": free.COPIES,
    "allocations": free.ALLOCATIONS,
    "queries": free.QUERIES,
    "moves": MOVES,
}
"""family → operations that move or rename data and do no arithmetic"""
SUMS = frozenset({"sum", "nansum", "mean", "add", "sub", "rsub"})
"""they remember what values were added to them"""


@dataclass(frozen=True, slots=True)
class Operator:
    """What is known of an operation, whatever its overload.

    `free`: it computes nothing. `mark`: what it makes of its operands' marks, nothing where it makes values.
    """

    family: str = ""
    rule: Rule | None = None
    mark: MarkRule | None = None
    free: bool = False
    silent: bool = False
    """it touches no entry: a view's mark and bytes are those of its base"""
    product: bool = False
    reads_spikes: bool = False
    """it counts spikes, or remembers what values were added to it"""
    looks_up: bool = False
    allocates: bool = False
    overwrites: bool = False
    takes_complex: bool = False
    """its rule knows complex numbers; others are counted in reals around it"""
    creates_marks: bool = False
    """its results may have marks where its operands have none"""
    draws: bool = False
    """its further results are masks"""
    keeps_weights: bool = False
    """of weights it makes a weight"""


UNKNOWN = Operator()


def _operators() -> dict[str, Operator]:
    families = {name: family for family, names in {**PRICED, **UNPRICED}.items() for name in names}
    rules: dict[str, Callable] = {name: rule for part in PRICED.values() for name, rule in part.items()}
    unpriced = {name for names in UNPRICED.values() for name in names}
    spikes = {*LINEAR, *MATRICES, *ATTENTION, *RECURRENT, *SUMS}
    known = {*families, *MARKS, *marks.CREATES, *marks.KEEPS_WEIGHTS, *marks.DRAWN, *free.OVERWRITE, *LOOKUPS, *SUMS}
    return {
        name: Operator(
            family=families.get(name, ""),
            rule=rules.get(name),
            mark=MARKS.get(name),
            free=name in unpriced,
            silent=name in free.VIEWS or name in free.QUERIES,
            product=name in LINEAR or name in ATTENTION,
            reads_spikes=name in spikes,
            looks_up=name in LOOKUPS,
            allocates=name in free.ALLOCATIONS,
            overwrites=name in free.OVERWRITE,
            takes_complex=name in TRANSFORMS,
            creates_marks=name in marks.CREATES,
            draws=name in marks.DRAWN,
            keeps_weights=name in marks.KEEPS_WEIGHTS,
        )
        for name in sorted(known)
    }


OPERATORS: Mapping[str, Operator] = _operators()
"""operation, without overload (and without trailing underscore where it writes in place) → what is known of it"""


def table() -> str:
    """The table as text: operation, family, whether priced or free, its rule of marks, and its other facts."""
    lines = [f"{'operation':54}{'family':14}{'priced':8}{'marks':24}further"]
    for name, entry in OPERATORS.items():
        priced = "free" if entry.free else "yes" if entry.rule else "no"
        mark = getattr(entry.mark, "__name__", "a rule") if entry.mark else "ends"
        flags = [f for f in Operator.__slots__ if f != "free" and getattr(entry, f) is True]
        lines.append(f"{name:54}{entry.family or '–':14}{priced:8}{mark:24}{', '.join(flags)}")
    return "\n".join(lines)
