"""What the ledger writes down: one record for each operation executed, and the sums over them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from struct import Struct

import numpy as np
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
    share; 1 before the first spiking layer and after the average over time. `driven_by` names the neurons whose spikes
    drive a product, `dense_since` the operation at which the spikes behind a dense one ended, and whose they were.
    `hidden` is the most operations that one without a rule may stand for, by its shapes. A `shared` record stands for
    every operation like it and is not written to.
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
    hidden: int = 0
    priced: bool = True
    driven_by: str = ""
    dense_since: str = ""
    shared: bool = False
    _row: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def is_neuron(self) -> bool:
        """Whether this is the work of a layer of neurons: `outputs` neuron updates."""
        return self.op == "lif"

    @property
    def row(self) -> bytes:
        """The record in numbers, as in ROW. Once it was asked for, the record does not change any more."""
        if self._row is None:
            counts = self.counts
            number = _numbers.setdefault((*_alike(self), *counts), len(_numbers))
            added = counts["add"][0] if "ac" in counts and "add" in counts else 0
            pairs = chain.from_iterable([counts.get(kind, NONE) for kind in KINDS])
            self._row = _packed(number, self.is_neuron, added, *_summed(self), *pairs)
        return self._row


BYTES = ("weight_bytes", "bias_bytes", "read_bytes", "written_bytes", "state_bytes")
SUMMED = (*BYTES, "table_bytes", "spikes_in", "spikes_out", "dense_in", "outputs", "calls", "hidden")
ALIKE = ("module", "op", "width", "phase", "num_timesteps", "spike_operands", "priced", "driven_by", "dense_since")
_summed, _alike = attrgetter(*SUMMED), attrgetter(*ALIKE)
ROW = ("number", "is_neuron", "spike_bias_adds", *SUMMED, *(f"{kind}{of}" for kind in KINDS for of in ("", " dense")))
_packed = Struct(f"{len(ROW)}q").pack
_numbers: dict[tuple, int] = {}  # records with one number are added up by `compact`; they differ in their counts only


def rows_of(records: Sequence[OpRecord]) -> np.ndarray:
    """The records in numbers, (records, ROW)."""
    return np.frombuffer(b"".join([record.row for record in records]), dtype=np.int64).reshape(-1, len(ROW))


def compact(records: Sequence[OpRecord]) -> list[OpRecord]:
    """Add up records that differ in their counts only; the order is that of first appearance."""
    if not records:
        return []
    rows = rows_of(records)
    order = np.argsort(rows[:, 0], kind="stable")
    starts = np.unique(rows[order, 0], return_index=True)[1]
    sums, members = np.add.reduceat(rows[order], starts), np.split(order, starts[1:])
    return [_added_up(records, members[n], sums[n].tolist()) for n in np.argsort(order[starts])]


def _added_up(records: Sequence[OpRecord], members: np.ndarray, sums: list[int]) -> OpRecord:
    """The sum of `members`, positions of records that are alike."""
    first, (amounts, pairs) = records[members[0]], (sums[3 : 3 + len(SUMMED)], iter(sums[3 + len(SUMMED) :]))
    found, counts = dict(zip(KINDS, zip(pairs, pairs, strict=True), strict=True)), {}
    for kind in first.counts:
        # a kind of the user's own has no column
        counts[kind] = found.get(kind) or tuple(np.sum([records[i].counts[kind] for i in members], 0).tolist())
    alike = dict(zip(ALIKE, _alike(first), strict=True))
    return OpRecord(counts=counts, **alike, **dict(zip(SUMMED, amounts, strict=True)))


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
    def work(self) -> int:
        """Operations counted, of every kind, no zero skipped."""
        return sum(dense for record in self.records for _, dense in record.counts.values())

    @property
    def coverage(self) -> float:
        """Share of the executed work that was counted, at the least, 0…1: what has no rule counts with its bound."""
        hidden = sum(record.hidden for record in self.records)
        return self.work / (self.work + hidden) if hidden else 1.0

    @property
    def hidden(self) -> dict[str, float]:
        """Operations without a rule, and the share of all work that each may hide at the most."""
        bounds: dict[str, int] = {}
        for record in self.records:
            if not record.priced:
                bounds[record.op] = bounds.get(record.op, 0) + record.hidden
        everything = max(self.work + sum(bounds.values()), 1)
        return {op: bound / everything for op, bound in bounds.items()}

    @property
    def unpriced(self) -> dict[str, int]:
        """Operations that were executed and not priced, and how often."""
        seen: dict[str, int] = {}
        for record in self.records:
            if not record.priced:
                seen[record.op] = seen.get(record.op, 0) + record.calls
        return seen

    def table(self, *, compacted: bool = True) -> pd.DataFrame:
        """A row for each operation and kind: module, op, kind, effective, dense, width, timesteps, bytes, driven by."""
        rows = []
        for record in compact(self.records) if compacted else self.records:
            shared = {name: getattr(record, name) for name in COLUMNS}
            # bytes belong to the operation, so only its first row carries them and sums stay true
            nothing = dict.fromkeys(SUMMED, 0)
            for position, (kind, (effective, dense)) in enumerate(record.counts.items() or [("none", (0, 0))]):
                count = {"kind": kind, "effective": effective, "dense": dense}
                rows.append({**shared, **(nothing if position else {}), **count})
        return pd.DataFrame(rows, columns=[*COLUMNS[:2], "kind", "effective", "dense", *COLUMNS[2:]])


COLUMNS = ("module", "op", "phase", "width", "num_timesteps", *SUMMED, "priced", "driven_by", "dense_since")


def totals_of(records: Sequence[OpRecord]) -> dict[str, int]:
    """Sums by kind (zeros of spike tensors skipped), dense counts of MACs and ACs, bytes.

    `neuron_mul`, `neuron_add`, … are the operations of neuron updates, of the kinds that they have.
    """
    rows = rows_of(records)
    sums = dict(zip(ROW, rows.sum(0).tolist(), strict=True))
    neurons = dict(zip(ROW, rows[rows[:, 1] == 1].sum(0).tolist(), strict=True))
    return {
        **{NAMES.get(kind, kind): sums[kind] for kind in KINDS},
        "acs_dense": sums["ac dense"],
        "macs_dense": sums["mac dense"] + sums["ac dense"],
        "neuron_updates": neurons["outputs"],
        **{f"neuron_{kind}": neurons[kind] for kind in KINDS if neurons[kind]},
        "spike_bias_adds": sums["spike_bias_adds"],
        **{name: sums[name] for name in BYTES},
    }


NONE = (0, 0)
NAMES = {"mac": "macs", "ac": "synops"}
