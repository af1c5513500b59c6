"""Arithmetic alone, at one width: a price for every kind of operation."""

from collections.abc import Mapping
from dataclasses import dataclass

from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.costs.model import Bits, CostModel, added_up, effective, require
from snnvtg.errors import InputError

ARITHMETIC = ("mac", "ac", "mul", "add", "compare", "select", "logic")
SPECIAL = ("exp", "log", "trig", "erf", "div", "sqrt", "random")


@dataclass(frozen=True)
class ComputeModel(CostModel):
    """Energy = Σ operations × price.

    `pj` holds the ARITHMETIC kinds; a SPECIAL function costs `special_in_muls[kind]` × `special_mul_pj`. Kinds beyond
    both may be priced in `pj`; one without a price is an error, never free. A product of b-bit operands costs no more
    than b accumulates, one for each bit.
    """

    name: str
    title: str
    source: str
    pj: Mapping[str, float]
    special_in_muls: Mapping[str, float]
    special_mul_pj: float
    node_nm: int | None = None
    width_bits: int | None = None
    note: str = ""
    kind: str = "compute"

    def __post_init__(self):
        require(self.name, self.pj, ARITHMETIC, "pj")
        require(self.name, self.special_in_muls, SPECIAL, "special_in_muls")

    def price_pj(self, kind: str) -> float:
        """One operation of this kind; InputError where the table has none."""
        if kind in self.pj:
            return self.pj[kind]
        if kind in self.special_in_muls:
            return self.special_in_muls[kind] * self.special_mul_pj
        raise InputError(f"cost model {self.name!r}: expected a price for {kind!r}, which was counted; add one to pj")

    def product_pj(self, bits: int | None) -> float:
        """One dense product of b-bit operands."""
        mac = self.price_pj("mac")
        return mac if bits is None else min(mac, bits * self.price_pj("ac"))

    def breakdown_pj(self, account: Account, bits: Bits | None = None) -> dict[str, float]:
        """By kind of operation."""
        return added_up([self.record_pj(record, bits) for record in account.phase("forward")])

    def record_pj(self, record: OpRecord, bits: Bits | None = None, without: tuple[str, ...] = ()) -> dict[str, float]:
        """One record by kind, some kinds left to the caller."""
        made = {kind: count * self.price_pj(kind) for kind, count in effective(record, without=without).items()}
        if bits is not None and "mac" in made:
            made["mac"] = record.counts["mac"][0] * self.product_pj(bits(record))
        return made
