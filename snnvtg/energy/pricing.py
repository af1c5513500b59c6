"""Pricing: an account under a cost model, by kind, and the whole range of models."""

from collections.abc import Mapping

from snnvtg.energy.account import Account
from snnvtg.energy.costs import ARITHMETIC, SPECIAL, TABLES, CostModel, load_cost_model
from snnvtg.energy.memory import MemoryModel, load_memory_model, memory_breakdown_pj
from snnvtg.errors import InputError

AnyModel = CostModel | MemoryModel
Counted = Account | Mapping[str, float]

COST_MODELS: dict[str, AnyModel] = {
    path.stem: load_memory_model(path) if path.stem.startswith("memory_") else load_cost_model(path)
    for path in sorted(TABLES.glob("*.json"))
}


def find(model: str | AnyModel) -> AnyModel:
    """A cost model by name, or itself."""
    if isinstance(model, AnyModel):
        return model
    if model not in COST_MODELS:
        raise InputError(f"cost model {model!r}: expected one of {', '.join(COST_MODELS)}, or load_cost_model(FILE)")
    return COST_MODELS[model]


def energy_pj(counted: Counted, model: str | AnyModel) -> float:
    """Energy in pJ of an account (or of its `totals`) under a cost model."""
    return sum(energy_breakdown_pj(counted, model).values())


def energy_breakdown_pj(counted: Counted, model: str | AnyModel) -> dict[str, float]:
    """Energy in pJ by cause: kinds of operation; `synop`, `neuron_update` on a chip; accesses in a memory model.

    A memory model needs the account: its prices depend on each record's memories, which totals do not hold.
    """
    model = find(model)
    if isinstance(model, MemoryModel):
        if not isinstance(counted, Account):
            raise InputError(f"cost model {model.name!r}: expected a Ledger or Account, got totals only")
        made, rest = memory_breakdown_pj(counted, model)
        return {**made, **_computed(_by_kind(rest), find(model.rest))}
    totals = counted.totals if isinstance(counted, Account) else counted
    if model.kind == "compute":
        return _computed(_by_kind(totals), model)
    update = model.pj["neuron_update"]
    host = _computed(_off_chip(totals, with_updates=update is None), find(model.host))
    chip = {"synop": totals["synops"] * model.pj["synop"], "neuron_update": totals["neuron_updates"] * (update or 0.0)}
    return {**chip, **host}


def _by_kind(totals: Mapping[str, float]) -> dict[str, float]:
    named = {"mac": totals["macs"], "ac": totals["synops"]}
    return {**named, **{kind: totals[kind] for kind in (*ARITHMETIC[2:], *SPECIAL)}}


def _off_chip(totals: Mapping[str, float], *, with_updates: bool) -> dict[str, float]:
    """What is left for the host: a priced neuron update holds its own four operations and the adding of its bias."""
    left = {**_by_kind(totals), "ac": 0}
    if with_updates:
        return left
    for kind in ("mul", "add", "compare", "select"):
        left[kind] -= totals["neuron_updates"]
    left["add"] -= totals["spike_bias_adds"]
    return left


def _computed(count: Mapping[str, float], model: CostModel) -> dict[str, float]:
    arithmetic = {kind: count[kind] * model.pj[kind] for kind in ARITHMETIC}
    one = model.special_mul_pj
    return {**arithmetic, **{kind: count[kind] * model.special_in_muls[kind] * one for kind in SPECIAL}}
