"""What the ledger writes down: one record for each operation executed, and the sums over them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

KINDS = {
    "mac": "multiply-accumulate of two numbers",
    "ac": "accumulate selected by a spike (a synaptic operation)",
    "mul": "multiplication",
    "add": "addition, subtraction or change of sign",
    "div": "division",
    "sqrt": "square root",
    "exp": "exponential",
    "log": "logarithm",
    "trig": "sine, cosine, tangent",
    "erf": "error function",
    "compare": "comparison, maximum, minimum",
    "select": "choice by one bit: reset, mask, where",
    "logic": "logic on single bits",
    "random": "random number drawn",
}

Counts = dict[str, tuple[int, int]]
"""kind -> (effective: zeros of spike tensors skipped, dense: every entry)"""


@dataclass(slots=True)
class OpRecord:
    """One executed operation (or, with `calls` > 1, several like it added up).

    `width` is the operands' width in bits. Bytes are what the operation reads and writes once each if nothing is
    cached: weights (parameters and buffers; `bias_bytes` of them biases), activations read, activations written, state
    read and written. A lookup reads the rows it reads; `table_bytes` is the table it chose them from. `spikes_in` is
    the number of spikes that drive it, `dense_in` the entries of that operand (of a dense product: of its input; of a
    LIF layer: of a current that no spikes added up), `spike_operands` how many of its operands are spikes.
    `num_timesteps` is the number of simulation steps its counts cover, so that `count / num_timesteps` is one step's
    share; 1 before the first spiking layer and after the average over time.
    """

    op: str
    counts: Counts
    module: str = ""
    width: int = 32
    phase: str = "forward"
    num_timesteps: int = 1
    weight_bytes: int = 0
    bias_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    state_bytes: int = 0
    table_bytes: int = 0
    spikes_in: int = 0
    spikes_out: int = 0
    dense_in: int = 0
    spike_operands: int = 1
    outputs: int = 0
    calls: int = 1
    priced: bool = True

    @property
    def is_neuron(self) -> bool:
        """Whether this is the work of a layer of neurons: `outputs` neuron updates."""
        return self.op == "lif"

    @property
    def key(self) -> tuple:
        """Records with one key are added up by `compact`."""
        return (
            self.module,
            self.op,
            self.width,
            self.phase,
            self.num_timesteps,
            self.spike_operands,
            self.priced,
            *self.counts,
        )

    def absorb(self, other: "OpRecord") -> None:
        """Add the counts of a record with the same key."""
        self.counts = {
            kind: (e + other.counts[kind][0], d + other.counts[kind][1]) for kind, (e, d) in self.counts.items()
        }
        for name in SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))


TOLD_APART = ("width", "phase", "num_timesteps", "spike_operands", "priced")
BYTES = ("weight_bytes", "bias_bytes", "read_bytes", "written_bytes", "state_bytes")
SUMMED = (*BYTES, "table_bytes", "spikes_in", "spikes_out", "dense_in", "outputs", "calls")


def compact(records: Iterable[OpRecord]) -> list[OpRecord]:
    """Add up records that differ in their counts only; the order is that of first appearance."""
    merged: dict[tuple, OpRecord] = {}
    for record in records:
        if record.key in merged:
            merged[record.key].absorb(record)
        else:
            merged[record.key] = replace(record, counts=dict(record.counts))
    return list(merged.values())


@dataclass
class Account:
    """Records with their sums; the ledger is one, and so is what `Ledger.per_query` returns.

    `batch_size`: samples that every call handled at once. Cost models of memory price the memories of one sample.
    """

    records: list[OpRecord] = field(default_factory=list)
    batch_size: int = 1

    @property
    def totals(self) -> dict[str, int]:
        """Sums over the forward pass: `macs`, `synops` (ACs, zeros skipped), `acs_dense`, every other kind, bytes.

        `macs_dense` is what a dense counter sees: MACs and ACs, no zero skipped. `neuron_updates` are LIF neurons ×
        steps, `spike_bias_adds` the biases added in spike-driven layers; both are in the other columns as well.
        """
        return totals_of(self.phase("forward"))

    @property
    def backward_totals(self) -> dict[str, int]:
        """As `totals`, for the backward pass."""
        return totals_of(self.phase("backward"))

    @property
    def update_totals(self) -> dict[str, int]:
        """As `totals`, for what follows a backward pass outside the model: clipping, the optimiser's step.

        A training step costs all three.
        """
        return totals_of(self.phase("update"))

    def phase(self, name: str) -> list[OpRecord]:
        """Records of the `forward` or `backward` pass, or of the `update`."""
        return [record for record in self.records if record.phase == name]

    @property
    def coverage(self) -> float:
        """Share of the executed operations that were priced or are listed as costing no arithmetic, 0…1."""
        calls = sum(record.calls for record in self.records)
        return sum(record.calls for record in self.records if record.priced) / calls if calls else 1.0

    @property
    def unpriced(self) -> dict[str, int]:
        """Operations that were executed and not priced, and how often."""
        seen: dict[str, int] = {}
        for record in self.records:
            if not record.priced:
                seen[record.op] = seen.get(record.op, 0) + record.calls
        return seen

    def table(self, *, compacted: bool = True) -> pd.DataFrame:
        """A row for each operation and kind: module, op, kind, effective, dense, width, timesteps, bytes."""
        rows = []
        for record in compact(self.records) if compacted else self.records:
            shared = {name: getattr(record, name) for name in COLUMNS}
            # bytes belong to the operation, so only its first row carries them and sums stay true
            nothing = dict.fromkeys(SUMMED, 0)
            for position, (kind, (effective, dense)) in enumerate(record.counts.items() or [("none", (0, 0))]):
                count = {"kind": kind, "effective": effective, "dense": dense}
                rows.append({**shared, **(nothing if position else {}), **count})
        return pd.DataFrame(rows, columns=[*COLUMNS[:2], "kind", "effective", "dense", *COLUMNS[2:]])


COLUMNS = ("module", "op", "phase", "width", "num_timesteps", *SUMMED, "priced")


def totals_of(records: Iterable[OpRecord]) -> dict[str, int]:
    """Sums by kind (zeros of spike tensors skipped), dense counts of MACs and ACs, and bytes."""
    effective, dense = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    carried = dict.fromkeys(BYTES, 0)
    updates = bias_adds = 0
    for record in records:
        updates += record.outputs if record.is_neuron else 0
        bias_adds += record.counts["add"][0] if "ac" in record.counts and "add" in record.counts else 0
        for kind, (skipped, full) in record.counts.items():
            effective[kind] += skipped
            dense[kind] += full
        for name in BYTES:
            carried[name] += getattr(record, name)
    names = {"mac": "macs", "ac": "synops"}
    renamed = {names.get(kind, kind): count for kind, count in effective.items()}
    return {
        **renamed,
        "acs_dense": dense["ac"],
        "macs_dense": dense["mac"] + dense["ac"],
        "neuron_updates": updates,
        "spike_bias_adds": bias_adds,
        **carried,
    }
