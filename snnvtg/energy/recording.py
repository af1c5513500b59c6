"""From an operation that torch executed to its record.

What an operation counts follows from the shapes of its operands and where they come from, unless spikes are among them.
So the record of one that was seen before is the same record again, and looking that up is most of what a ledger does.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnvtg.energy.account import OpRecord
from snnvtg.energy.bounds import most_operations
from snnvtg.energy.dispatch import SEQUENCES, Operation, stored_bytes, tensors_in, unseen
from snnvtg.energy.findings import Findings
from snnvtg.energy.modules import RunningModules
from snnvtg.energy.origin import BINARY, MASK, NOWHERE, WEIGHT, Mark, Origin
from snnvtg.energy.provenance import Provenance, storage_of
from snnvtg.energy.rules import Call
from snnvtg.energy.rules.complexes import in_reals

MOST_KNOWN = 4096
STRIDED, BOOL = torch.strided, torch.bool
VALUES, MASKS, SPIKES, UNKNOWN = range(4)


class Known(NamedTuple):
    """A record, where the operation's results come from, and the operands' origins, whose ids are in the key."""

    record: OpRecord
    results: tuple[Origin, ...] | None
    inputs: tuple[Origin, ...]
    compared: bool


class Recorder:
    """Makes records and follows origins. `phase()` says which pass runs; `refuse` and `read` are the ledger's."""

    def __init__(
        self,
        provenance: Provenance,
        running: RunningModules,
        findings: Findings,
        *,
        phase: Callable[[], str],
        write: Callable[[OpRecord], None],
        read: Callable[[Sequence[Tensor]], None],
        refuse: Callable[[str], None],
        skip_zero_weights: bool,
    ):
        self.provenance, self.running, self.findings = provenance, running, findings
        self.phase, self.write, self.read, self.refuse = phase, write, read, refuse
        self.skip_zero_weights = skip_zero_weights

    def operation(self, facts: Operation, args: tuple, kwargs: dict, out: Any) -> None:
        """Record an operation and say where its results come from."""
        provenance = self.provenance
        key: list[Any] = [provenance.where, self.phase(), self.running.hides]
        holds = self._describe(args, key)
        for name, value in kwargs.items():
            if name not in facts.out:
                key.append(name)
                holds = max(holds, self._describe((value,), key))
        if isinstance(out, Tensor):
            results = (out,)
            key.append(out.shape)
        else:
            results = tuple(tensors_in((out,)))
            key += [result.shape for result in results]
        if facts.cancels and isinstance(args[1], Tensor) and args[0].data_ptr() == args[1].data_ptr():
            holds = UNKNOWN  # x − x is zero
        if not facts.repeats or holds == UNKNOWN or (holds == SPIKES and facts.reads_spikes):
            with unseen():
                self._new(facts, args, kwargs, out, results)
            return
        whole = tuple(key)
        known = facts.seen.get(whole)
        if known is None:
            with unseen():
                if holds and any(operand.numel() == 1 for operand in _operands(facts, args, kwargs)):
                    self._new(facts, args, kwargs, out, results)  # a one-element factor is told apart by its memory
                else:
                    self._remember(facts, whole, args, kwargs, out, results)
            return
        if known.results is not None:
            for result, origin in zip(results, known.results, strict=True):
                provenance.set(result, origin)
        if known.compared:
            self._note_comparisons(known.inputs)
        if known.record is not None:
            self.write(known.record)

    def _remember(self, facts: Operation, key: tuple, args: tuple, kwargs: dict, out: Any, results: Sequence) -> None:
        if len(facts.seen) >= MOST_KNOWN:
            facts.seen.clear()
        origins = [self.provenance.origin(operand) for operand in _operands(facts, args, kwargs)]
        record = self._new(facts, args, kwargs, out, results)
        after = tuple(self.provenance.origin(result) for result in results)
        if record is not None:
            record.shared = True
        told = after if any(origin is not NOWHERE for origin in after) else None
        compared = record is not None and "mac" in record.counts and any(map(_is_comparison, origins))
        facts.seen[key] = Known(record, told, tuple(origins), compared)

    def _describe(self, values: Sequence[Any], key: list) -> int:
        """Add to the key what the record depends on; say what is among the operands, VALUES the least."""
        holds, slot = VALUES, self.provenance.slot
        for value in values:
            if isinstance(value, Tensor):
                try:  # Provenance.origin written out: this runs for every operand of every operation
                    origin = getattr(value.untyped_storage(), slot, NOWHERE)
                except NotImplementedError:  # sparse: its product depends on how many entries it stores
                    origin, holds = self.provenance.origin(value), UNKNOWN
                dtype = value.dtype
                if origin is NOWHERE:
                    if dtype is BOOL:
                        origin, holds = MASK, holds or MASKS
                elif origin is not WEIGHT:
                    holds = max(holds, _held(origin))
                key += value.shape, dtype, id(origin)
                if value.layout is not STRIDED:
                    holds = UNKNOWN
                elif not value.is_contiguous():  # an expanded axis is one entry of memory
                    key.append(value.stride())
            elif isinstance(value, SEQUENCES):
                key.append(len(value))
                holds = max(holds, self._describe(value, key))
            else:
                key.append(value)
        return holds

    def _new(self, facts: Operation, args: tuple, kwargs: dict, out: Any, results: Sequence) -> OpRecord | None:
        """Count an operation that was not seen before, or not alike."""
        operands = _operands(facts, args, kwargs)
        origins = [self.provenance.origin(operand) for operand in operands]
        if facts.aliases and not facts.mutates:  # a view's origin lies on the storage it shares
            read = {id(storage_of(tensor)) for tensor in operands}
            results = [tensor for tensor in results if id(storage_of(tensor)) not in read]
        record = None
        if not (self.running.hides and facts.hidden_in_neurons):
            record = OpRecord(facts.title, {}, priced=facts.known)
            self._sizes(record, facts, operands, origins, results)
            if facts.rule is not None:
                self._count(record, facts, Call(facts.name, args, kwargs, out, self.provenance), origins, operands)
            elif not facts.known:
                self.refuse(facts.title)
                record.hidden = most_operations(operands, results, pointwise=facts.pointwise)
        self.provenance.follow(facts.name, args, kwargs, origins, results, mutates=facts.mutates, ends=facts.product)
        if record is not None:
            self._results(record, results)
            record.module, record.phase = self.provenance.where, self.phase()
            self.write(record)
        return record

    def _sizes(self, record: OpRecord, facts: Operation, operands, origins: list[Origin], results) -> None:
        """Bytes that are read, and the width of the numbers; a lookup reads what it returns."""
        width = 0
        for position, (operand, origin) in enumerate(zip(operands, origins, strict=True)):
            itemsize, size = operand.element_size(), stored_bytes(operand)
            if facts.looks_up and position == 0:
                record.table_bytes, size = size, min(size, sum(stored_bytes(result) for result in results))
            if origin.mark is Mark.WEIGHT:
                record.weight_bytes += size
            else:
                record.read_bytes += size
                if origin.mark is Mark.EMPTY and not facts.allocates and not (facts.overwrites and position == 0):
                    self.read([operand])
            if itemsize > width and operand.is_floating_point():
                width = itemsize
        record.width = 8 * width or 32

    def _count(self, record, facts: Operation, call: Call, origins: list[Origin], operands: list[Tensor]) -> None:
        """The rule's counts, and what drives a product."""
        call.skip_zero_weights = self.skip_zero_weights
        counts = facts.rule(call)
        if not facts.entry.takes_complex and any(operand.is_complex() for operand in operands):
            counts = in_reals(counts)
        record.counts = counts
        record.spikes_in, record.dense_in, record.spike_operands = call.spikes_in, call.dense_in, call.spike_operands
        if call.bias is not None:
            record.bias_bytes = call.bias.numel() * call.bias.element_size()
        if "ac" in counts:
            record.driven_by = ", ".join(dict.fromkeys(o.source for o in origins if o.mark is Mark.SPIKE and o.source))
        if "mac" in counts:
            record.dense_since = next((o.since for o in origins if o.since), "") or self._complement(origins)
            self._note_comparisons(origins)

    def _note_comparisons(self, origins: Sequence[Origin]) -> None:
        """What a module compared drives a product: perhaps a neuron nobody named."""
        for origin in origins:
            if _is_comparison(origin):
                self.findings.comparing.setdefault(origin.source, self.running.class_of(origin.source))

    @staticmethod
    def _complement(origins: list[Origin]) -> str:
        quiet = [origin.source for origin in origins if origin.mark is Mark.QUIET and origin.source]
        return f"1 − spikes, from {quiet[0]}" if quiet else ""

    def _results(self, record: OpRecord, results: list[Tensor]) -> None:
        if "ac" in record.counts and results:
            steps = self.provenance.origin(results[0]).num_timesteps
            self.provenance.set(results[0], self.provenance.interned(Origin(Mark.SUM, num_timesteps=steps)))
        for result in results:
            entries = result.numel()
            record.written_bytes += entries * result.element_size()
            record.outputs += entries
            record.num_timesteps = max(record.num_timesteps, self.provenance.origin(result).num_timesteps)


def _held(origin: Origin) -> int:
    """What an operand of this origin holds."""
    if origin.mark is Mark.EMPTY or origin.pending is not None:
        return UNKNOWN
    if origin.mark not in BINARY:
        return VALUES
    return MASKS if origin.mark is Mark.MASK else SPIKES


def _is_comparison(origin: Origin) -> bool:
    return origin.mark is Mark.MASK and bool(origin.source)


def _operands(facts: Operation, args: tuple, kwargs: dict) -> list[Tensor]:
    """The tensors that the operation reads, those in lists too."""
    return [*tensors_in(args), *tensors_in(value for name, value in kwargs.items() if name not in facts.out)]
