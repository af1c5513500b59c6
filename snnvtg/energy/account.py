"""What the ledger writes down: one record for each operation executed, and the sums over them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter

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
    _key: tuple | None = field(default=None, repr=False, compare=False)
    _row: np.ndarray | None = field(default=None, repr=False, compare=False)
    _amounts: tuple[int, ...] | None = field(default=None, repr=False, compare=False)

    @property
    def is_neuron(self) -> bool:
        """Whether this is the work of a layer of neurons: `outputs` neuron updates."""
        return self.op == "lif"

    @property
    def key(self) -> tuple:
        """Records with one key are added up by `compact`."""
        if self._key is None:
            self._key = (*_alike(self), *self.counts)
        return self._key

    @property
    def amounts(self) -> tuple[int, ...]:
        """What `compact` adds up: SUMMED, then effective and dense counts by kind."""
        if self._amounts is None or not self.shared:
            self._amounts = (*_summed(self), *chain.from_iterable(self.counts.values()))
        return self._amounts

    def with_amounts(self, amounts: Sequence[int]) -> "OpRecord":
        """A record like this one, with these `amounts`."""
        counted = iter(amounts[len(SUMMED) :])
        counts = dict(zip(self.counts, zip(counted, counted, strict=True), strict=True))
        alike = dict(zip(ALIKE, _alike(self), strict=True))
        return OpRecord(counts=counts, **alike, **dict(zip(SUMMED, amounts, strict=False)))

    @property
    def row(self) -> np.ndarray:
        """What `totals_of` adds up: effective counts, dense MACs and ACs, updates, biases, bytes, neurons' counts."""
        if self._row is not None:
            return self._row
        counts = self.counts
        effective = tuple(counts[kind][0] if kind in counts else 0 for kind in KINDS)
        row = np.array(
            [
                *effective,
                counts["mac"][1] if "mac" in counts else 0,
                counts["ac"][1] if "ac" in counts else 0,
                self.outputs if self.is_neuron else 0,
                counts["add"][0] if "ac" in counts and "add" in counts else 0,
                *(self.weight_bytes, self.bias_bytes, self.read_bytes, self.written_bytes, self.state_bytes),
                *(effective if self.is_neuron else NOTHING),
            ]
        )
        if self.shared:
            self._row = row
        return row


BYTES = ("weight_bytes", "bias_bytes", "read_bytes", "written_bytes", "state_bytes")
SUMMED = (*BYTES, "table_bytes", "spikes_in", "spikes_out", "dense_in", "outputs", "calls", "hidden")
ALIKE = ("module", "op", "width", "phase", "num_timesteps", "spike_operands", "priced", "driven_by", "dense_since")
_summed, _alike = attrgetter(*SUMMED), attrgetter(*ALIKE)


class RecordSums:
    """Records that differ in their counts only, added up; the order is that of first appearance.

    One that comes by again is only counted, and multiplied when the sums are asked for.
    """

    def __init__(self):
        self._seen: dict[int, OpRecord] = {}  # by id
        self._times: dict[int, int] = Counter()

    def add(self, records: Sequence[OpRecord]) -> None:
        """Add these to the sums; they do not change any more."""
        numbers = list(map(id, records))
        self._seen.update(zip(numbers, records, strict=True))
        self._times.update(numbers)
        if len(self._seen) > MOST_APART:
            self.settle()

    def settle(self) -> list[OpRecord]:
        """The sums so far."""
        alike: dict[tuple, list[OpRecord]] = {}
        for record in self._seen.values():
            alike.setdefault(record.key, []).append(record)
        made = [
            records[0].with_amounts(list(map(sum, zip(*map(self._amounts, records), strict=True))))
            for records in alike.values()
        ]
        self._seen, self._times = {id(record): record for record in made}, Counter(map(id, made))
        return made

    def _amounts(self, record: OpRecord) -> tuple[int, ...]:
        times = self._times[id(record)]
        return record.amounts if times == 1 else tuple(times * amount for amount in record.amounts)


MOST_APART = 4096


def compact(records: Sequence[OpRecord]) -> list[OpRecord]:
    """Add up records that differ in their counts only; the order is that of first appearance."""
    sums = RecordSums()
    sums.add(records)
    return sums.settle()


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


def totals_of(records: Iterable[OpRecord]) -> dict[str, int]:
    """Sums by kind (zeros of spike tensors skipped), dense counts of MACs and ACs, bytes.

    `neuron_mul`, `neuron_add`, … are the operations of neuron updates, of the kinds that they have.
    """
    rows = [record.row for record in records]
    columns = np.concatenate(rows).reshape(len(rows), WIDTH).sum(0).tolist() if rows else [0] * WIDTH
    effective, neurons = columns[: len(KINDS)], columns[-len(KINDS) :]
    mac, ac, updates, bias_adds, *carried = columns[len(KINDS) : -len(KINDS)]
    return {
        **{NAMES.get(kind, kind): count for kind, count in zip(KINDS, effective, strict=True)},
        "acs_dense": ac,
        "macs_dense": mac + ac,
        "neuron_updates": updates,
        **{f"neuron_{kind}": count for kind, count in zip(KINDS, neurons, strict=True) if count},
        "spike_bias_adds": bias_adds,
        **dict(zip(BYTES, carried, strict=True)),
    }


WIDTH = 2 * len(KINDS) + 4 + len(BYTES)
NOTHING = (0,) * len(KINDS)
NAMES = {"mac": "macs", "ac": "synops"}
