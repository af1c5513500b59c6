"""The memory-aware cost model of Lemaire et al.: accesses to SRAM, addressing, and DRAM beside the arithmetic.

For a fully connected spiking layer with θ spikes (and, entry by entry, for any product or convolution a spike drives):

    RdIn = θ_in · RdW = θ_in·N_out · RdBias = T·N_out · WrOut = θ_out · RdPot = WrPot = θ_in·N_out + T·N_out
    ACC = θ_in·N_out + T·N_out (bias) + θ_out (reset) · MAC = T·N_out (leak) · one address add a weight or bias read

**Fitted**: two figures for case A of the tests, 8,322.9 and 3,278.4 pJ, were known beforehand, and the formulae leave
the address open. Every other count follows from them as they stand (SpikingJelly's own reading of the paper gives the
same ones, reports/energy_independent_tools.md), which leaves 5.1 pJ of either figure for the addresses. One for each
weight read, θ_in·N_out = 137, as the formulae say, fits at no published price of an addition: 13.7 pJ at int32 (in all
8,331.5 and 3,287.0), 4.1 at int8. An int8 addition for each weight *and each bias* read, 169, does: 5.07 pJ. That is
the reading here, 0.3 % of the total there. Nothing else was fitted: a buffer of spikes holds one bit each, memories are
those of one sample.

The synaptic terms stand in the product's record, the potential's T·N_out, the leak and θ_out in the LIF layer's. A
dense product reads its input once, a weight a MAC and writes its result, which a LIF layer behind it reads at every
step (behind spikes the current lies in the potential already). Everything else (norms, scans, softmax) reads and writes
its operands once and computes at the prices of the `rest` model. A memory's price depends on its capacity: of weights,
biases, potentials of one step, spikes (1 bit) of one step; run one sample at a time (`Ledger.per_query`), else a batch
counts as one large memory.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from snnvtg.energy.account import Account, OpRecord, totals_of
from snnvtg.errors import InputError

WORD_BITS = 32


@dataclass(frozen=True)
class MemoryModel:
    """Prices in pJ; `sram` an access of one word: pj_per_access + pj_per_capacity_bit × the memory's bits.

    `cache_bytes`: weights beyond it come from DRAM, once for each operation that reads them.
    """

    name: str
    title: str
    source: str
    node_nm: int
    width_bits: int
    add_pj: float
    mul_pj: float
    address_add_pj: float
    sram: Mapping[str, float]
    dram_pj_per_64_bits: float
    cache_bytes: int
    rest: str
    note: str = ""
    kind: str = "memory"

    def __post_init__(self):
        missing = {"pj_per_access", "pj_per_capacity_bit"} - set(self.sram)
        if missing:
            raise InputError(f"cost model {self.name!r}: expected sram to give {', '.join(sorted(missing))}; add it")

    def access_pj(self, capacity_bits: float) -> float:
        """One access to a memory of this size."""
        return self.sram["pj_per_access"] + self.sram["pj_per_capacity_bit"] * capacity_bits


def load_memory_model(path: str | Path) -> MemoryModel:
    """Read a memory-aware model from a JSON table (the fields of MemoryModel)."""
    path = Path(path)
    try:
        return MemoryModel(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a memory model's table") from None
    except (json.JSONDecodeError, TypeError) as error:
        raise InputError(f"{path}: expected a JSON object with the fields of MemoryModel ({error})") from None


def memory_breakdown_pj(account: Account, model: MemoryModel) -> tuple[dict[str, float], dict[str, int]]:
    """(pJ by cause: arithmetic, address, input, weights, bias, potential, output, other_traffic, dram; rest's totals).

    The arithmetic of operations outside products and LIF layers is left to the `rest` model: their totals come back.
    """
    causes = ("arithmetic", "address", "input", "weights", "bias", "potential", "output", "other_traffic", "dram")
    made, rest = dict.fromkeys(causes, 0.0), []
    beyond = _share_beyond(account, model)
    for record in account.phase("forward"):
        if "ac" in record.counts or "mac" in record.counts:
            part = _product(record, model)
        elif record.op == "lif":
            part = _neuron(record, model)
        else:
            rest.append(record)
            part = {"other_traffic": _other(record, model)}
        part["dram"] = beyond * record.weight_bytes / 8 * model.dram_pj_per_64_bits
        for cause, energy in part.items():
            made[cause] += energy
    return made, totals_of(rest)


def _share_beyond(account: Account, model: MemoryModel) -> float:
    weights = {(r.module, r.op): r.weight_bytes / r.calls for r in account.phase("forward") if r.weight_bytes}
    total = sum(weights.values())
    return max(total - model.cache_bytes, 0) / total if total else 0.0


def _per_call(record: OpRecord, count: float) -> float:
    return count / record.calls


def _per_step(record: OpRecord, count: float) -> float:
    return _per_call(record, count) / record.num_timesteps


def _product(record: OpRecord, model: MemoryModel) -> dict[str, float]:
    biases = record.counts.get("add", (0, 0))[0]
    weight_bits = 8 * _per_call(record, record.weight_bytes - record.bias_bytes)
    shared = {
        "bias": biases * model.access_pj(8 * _per_call(record, record.bias_bytes)),
        "weights": 0.0,
    }
    if "ac" in record.counts:
        synaptic = record.counts["ac"][0]
        potential = model.access_pj(WORD_BITS * _per_step(record, record.outputs))
        return {
            **shared,
            "arithmetic": (synaptic + biases) * model.add_pj,
            "address": (synaptic + biases) * model.address_add_pj,
            "input": record.spikes_in * model.access_pj(_per_step(record, record.dense_in)),
            "weights": synaptic * model.access_pj(weight_bits),
            "potential": 2 * synaptic * potential,
        }
    macs = record.counts["mac"][0]
    return {
        **shared,
        "arithmetic": macs * (model.mul_pj + model.add_pj) + biases * model.add_pj,
        "address": (macs + biases) * model.address_add_pj,
        "input": record.dense_in * model.access_pj(WORD_BITS * _per_step(record, record.dense_in)),
        "weights": macs * model.access_pj(weight_bits),
        "output": record.outputs * model.access_pj(WORD_BITS * _per_step(record, record.outputs)),
    }


def _neuron(record: OpRecord, model: MemoryModel) -> dict[str, float]:
    per_step = _per_step(record, record.outputs)
    return {
        "arithmetic": record.outputs * (model.mul_pj + model.add_pj) + record.spikes_out * model.add_pj,
        "input": record.dense_in * model.access_pj(WORD_BITS * per_step),
        "potential": 2 * record.outputs * model.access_pj(WORD_BITS * per_step),
        "output": record.spikes_out * model.access_pj(per_step),
    }


def _other(record: OpRecord, model: MemoryModel) -> float:
    moved = record.read_bytes + record.written_bytes + record.state_bytes + record.weight_bytes
    return moved * 8 / WORD_BITS * model.access_pj(8 * _per_call(record, moved))
