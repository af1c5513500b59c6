"""A cost model of a user's own, in one file: `--cost-models my_costs.py:MINE`.

Its prices are in pJ per operation, as measured on some board.
"""

from snnvtg.energy.account import Account
from snnvtg.energy.costs import CostModel
from snnvtg.energy.costs.model import Bits, added_up, effective

PRICES = {"ac": 0.5, "mac": 2.0}
OTHERS = 1.0


class Mine(CostModel):
    name, title, source, kind = "mine", "My board", "measured by me", "my board"

    def breakdown_pj(self, account: Account, bits: Bits | None = None) -> dict[str, float]:
        counted = added_up([effective(record) for record in account.phase("forward")])
        return {kind: PRICES.get(kind, OTHERS) * count for kind, count in counted.items()}


MINE = Mine()
