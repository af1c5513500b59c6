"""What a cost model is: an object with a name, a source and one formula, from records to pJ by cause."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping

from snnvtg.energy.account import Account, OpRecord
from snnvtg.errors import InputError

Bits = Callable[[OpRecord], int | None]
"""the width in bits of a dense product's two operands where a network is quantised; None: as the model has them"""


class CostModel(ABC):
    """Energy of an account. A model of your own is a subclass in one file, registered with `costs.register`.

    `kind` says what it prices: `compute` (arithmetic), `chip` (a neuromorphic chip beside a host), `memory` (traffic as
    well), or a word of your own. `title` labels its row in tables and figures.
    """

    name: str
    title: str
    source: str
    kind: str
    note: str = ""

    @abstractmethod
    def breakdown_pj(self, account: Account, bits: Bits | None = None) -> dict[str, float]:
        """Energy in pJ of the forward pass by cause; nothing an account holds may be left out of the sum.

        `bits` names the dense products that run on b-bit operands (a quantised twin's) and b.
        """

    def energy_pj(self, account: Account, bits: Bits | None = None) -> float:
        """The sum of `breakdown_pj`."""
        return sum(self.breakdown_pj(account, bits).values())


def added_up(parts: list[Mapping[str, float]]) -> dict[str, float]:
    """The sums of several breakdowns, causes in order of first appearance."""
    made: dict[str, float] = defaultdict(float)
    for part in parts:
        for cause, energy in part.items():
            made[cause] += energy
    return dict(made)


def effective(record: OpRecord, *, without: tuple[str, ...] = ()) -> dict[str, float]:
    """The record's counts by kind, zeros of spike tensors skipped."""
    return {kind: count for kind, (count, _) in record.counts.items() if kind not in without}


def require(model: str, named: Mapping[str, object], needed: tuple[str, ...], where: str) -> None:
    """InputError unless `named` has a price of at least 0 for each of `needed`."""
    missing = [key for key in needed if key not in named]
    if missing:
        raise InputError(f"cost model {model!r}: expected {where} to give {', '.join(missing)}; add them to its table")
    wrong = [key for key, price in named.items() if isinstance(price, int | float) and price < 0]
    if wrong:
        raise InputError(f"cost model {model!r}: expected prices of at least 0 pJ in {where}, got {dict(named)}")
