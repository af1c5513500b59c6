"""A cost model of a user's own, in one file: `--cost-models my_costs.py:MINE`.

The price of a synaptic operation and of everything else, as measured on some board.
"""

from snnvtg.energy.account import Account
from snnvtg.energy.costs import CostModel
from snnvtg.energy.costs.model import Bits

SYNOP_PJ, MAC_PJ = 0.5, 2.0


class Mine(CostModel):
    name, title, source, kind = "mine", "My board", "measured by me", "my board"

    def breakdown_pj(self, account: Account, bits: Bits | None = None) -> dict[str, float]:
        return {"synop": SYNOP_PJ * account.totals["synops"], "mac": MAC_PJ * account.totals["macs"]}


MINE = Mine()
