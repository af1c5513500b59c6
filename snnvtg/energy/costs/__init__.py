"""What the counted operations may cost: one object a cost model, and the whole range of them.

A model of your own is one file: a JSON table with the fields of ComputeModel, ChipModel or MemoryModel (`kind` says
which; a chip's `host` and a memory model's `rest` are named), or a subclass of CostModel:

    @costs.register
    class Mine(CostModel):
        name, title, source, kind = "mine", "Mine", "measured on my board", "compute"

        def breakdown_pj(self, account, bits=None):
            return {"synop": 0.3 * account.totals["synops"], ...}

No single number is the answer: `COST_MODELS` is the range.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from snnvtg import plugins
from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.costs.chip import ChipModel
from snnvtg.energy.costs.compute import ARITHMETIC, SPECIAL, ComputeModel
from snnvtg.energy.costs.fields import from_table
from snnvtg.energy.costs.memory import MemoryModel
from snnvtg.energy.costs.model import Bits, CostModel
from snnvtg.errors import InputError, first_line

__all__ = [
    "ARITHMETIC",
    "COST_MODELS",
    "SPECIAL",
    "TABLES",
    "Bits",
    "ChipModel",
    "ComputeModel",
    "CostModel",
    "MemoryModel",
    "energy_breakdown_pj",
    "energy_pj",
    "find",
    "load_cost_model",
    "register",
]

TABLES = Path(__file__).parent / "tables"
KINDS = {"compute": ComputeModel, "chip": ChipModel, "memory": MemoryModel}
COST_MODELS: dict[str, CostModel] = {}
Counted = Account | Mapping[str, float]


def register(model: CostModel | type[CostModel]) -> CostModel | type[CostModel]:
    """Add a model, or (as a decorator) a class that needs no arguments, to those every report prices."""
    made = _made(model, getattr(model, "__name__", repr(model)))
    COST_MODELS[made.name] = made
    return model


def load_cost_model(path: str | Path) -> CostModel:
    """Read a cost model from a JSON table: `kind` and the fields of the class it stands for.

    InputError names the file, and what it lacks or holds that is no price.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a cost model as in {TABLES.name}/45nm_fp32.json") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a JSON object ({first_line(error)})") from None
    kind = table.get("kind") if isinstance(table, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{path}: expected a JSON object with `kind`, one of {', '.join(KINDS)}")
    try:
        named = {name: find(table[name]) for name in ("host", "rest") if isinstance(table.get(name), str)}
        return from_table(KINDS[kind], table | named)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def find(model: str | CostModel) -> CostModel:
    """A cost model by name, from a JSON table, at `module:OBJECT` or `FILE.py:OBJECT`; or itself."""
    if isinstance(model, CostModel):
        return model
    if model.endswith(".json"):
        return load_cost_model(model)
    found = plugins.find("cost_models", model, COST_MODELS)
    return _made(found, model)


def _made(given: object, name: str) -> CostModel:
    """An object, or one of a class that needs no arguments; else InputError."""
    try:
        made = given() if isinstance(given, type) else given
    except TypeError as error:
        raise InputError(f"cost model {name}: expected a class that needs no arguments ({error})") from None
    if not isinstance(made, CostModel):
        raise InputError(f"cost model {name}: expected a subclass of snnvtg.energy.costs.CostModel, got {given!r}")
    return made


def energy_pj(counted: Counted, model: str | CostModel) -> float:
    """Energy in pJ of an account (or of its `totals`) under a cost model."""
    return sum(energy_breakdown_pj(counted, model).values())


def energy_breakdown_pj(counted: Counted, model: str | CostModel) -> dict[str, float]:
    """Energy in pJ by cause: kinds of operation; `synop`, `neuron_update` on a chip; accesses in a memory model.

    Totals are enough for a compute or chip model; a memory model's prices depend on each record's memories.
    """
    model = find(model)
    if isinstance(counted, Account):
        return model.breakdown_pj(counted)
    if not isinstance(model, ComputeModel | ChipModel):
        raise InputError(f"cost model {model.name!r}: expected a Ledger or Account, got totals only")
    return model.breakdown_pj(_account_of(counted))


def _account_of(totals: Mapping[str, float]) -> Account:
    """Records that have these totals: synapses with their biases, neurons, and the rest."""
    updates, biases = totals["neuron_updates"], totals["spike_bias_adds"]
    kinds = (*ARITHMETIC[2:], *SPECIAL)
    neurons = {kind: totals.get(f"neuron_{kind}", 0) for kind in kinds}
    rest = {kind: totals[kind] - neurons[kind] for kind in kinds}
    rest["add"] -= biases
    records = [
        OpRecord("synapses", _twice({"ac": totals["synops"], "add": biases})),
        OpRecord("lif", _twice(neurons), outputs=updates),
        OpRecord("rest", _twice({"mac": totals["macs"], **rest})),
    ]
    return Account(records)


def _twice(kinds: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    return {kind: (count, count) for kind, count in kinds.items() if count}


for _path in sorted(TABLES.glob("*.json")):
    register(load_cost_model(_path))
