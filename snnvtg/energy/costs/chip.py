"""A neuromorphic chip: a price of a synaptic operation and of a neuron update, everything else on a host."""

from collections.abc import Mapping
from dataclasses import dataclass

from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.costs.compute import ComputeModel
from snnvtg.energy.costs.model import Bits, CostModel, added_up, effective, require
from snnvtg.errors import InputError


@dataclass(frozen=True)
class ChipModel(CostModel):
    """Energy = synops × pj["synop"] + neuron updates × pj["neuron_update"] + the rest on `host`.

    A priced neuron update holds the neuron's own operations and the adding of its bias; where the source gives no price
    (null) the host does them. A chip's table says nothing of a softmax: that is the host's as well, and so are dense
    products, except those of b-bit operands where b synaptic operations cost less.
    """

    name: str
    title: str
    source: str
    pj: Mapping[str, float | None]
    host: ComputeModel
    note: str = ""
    kind: str = "chip"

    def __post_init__(self):
        require(self.name, self.pj, ("synop", "neuron_update"), "pj")
        if self.pj["synop"] is None:
            raise InputError(f"cost model {self.name!r}: expected a price for synop, got null")
        if not isinstance(self.host, ComputeModel):
            raise InputError(f"cost model {self.name!r}: expected `host` to be a compute model, got {self.host!r}")

    def breakdown_pj(self, account: Account, bits: Bits | None = None) -> dict[str, float]:
        """`synop` and `neuron_update`, and the host's kinds of operation."""
        nothing = {"synop": 0.0, "neuron_update": 0.0}
        return added_up([nothing, *(self._record(record, bits) for record in account.phase("forward"))])

    def _record(self, record: OpRecord, bits: Bits | None) -> dict[str, float]:
        update = self.pj["neuron_update"]
        if record.is_neuron and update is not None:
            synapses = {kind: n for kind, n in effective(record).items() if kind in ("ac", "mac")}
            inside = tuple(kind for kind in record.counts if kind not in synapses)
            return {"neuron_update": record.outputs * update, **self._synaptic(record, bits, inside)}
        held = ("add",) if update is not None and "ac" in record.counts else ()
        return self._synaptic(record, bits, held)

    def _synaptic(self, record: OpRecord, bits: Bits | None, without: tuple[str, ...]) -> dict[str, float]:
        made = self.host.record_pj(record, bits, without=("ac", "mac", *without))
        if "ac" in record.counts:
            made["synop"] = record.counts["ac"][0] * self.pj["synop"]
        if "mac" in record.counts:
            narrow = None if bits is None else bits(record)
            product = self.host.product_pj(narrow)
            if narrow is not None:
                product = min(product, narrow * self.pj["synop"])
            made["mac"] = record.counts["mac"][0] * product
        return made
