"""The ledger: one record for every operation that a model really executes.

    with Ledger(model) as ledger:
        model(batch)
    ledger.totals, ledger.coverage, ledger.table()

Operations are seen as torch dispatches them; leaf operations (LIF layers, scans) are one entry each, counted from
shapes and masks, whichever backend runs them. Compiled models run as they were written while a ledger looks on. A
kernel that torch does not dispatch (a binding of its own, Triton, numba) cannot be seen; its result can, as memory that
was allocated and read but never written, and lowers the coverage. One that writes into zeros, or over a tensor that was
there before, passes unnoticed. Ledgers may be nested: each counts by itself.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.energy.account import Account, OpRecord, compact
from snnvtg.energy.backward_markers import is_differentiated, leaves, mark_backward
from snnvtg.energy.bounds import most_operations
from snnvtg.energy.dispatch import Dispatched, Operation
from snnvtg.energy.findings import Findings, LedgerWarning, UntrackedNeuronError
from snnvtg.energy.modules import RunningModules
from snnvtg.energy.neurons import NeuronKind, as_kinds
from snnvtg.energy.origin import NOWHERE, ZERO_WEIGHT, Mark, Origin
from snnvtg.energy.per_query import QueryAccounts, one_by_one
from snnvtg.energy.provenance import Provenance
from snnvtg.energy.recall import recalling
from snnvtg.energy.recording import Recorder
from snnvtg.energy.rules import Rule
from snnvtg.energy.rules.backward import leaf_op_backward
from snnvtg.energy.rules.leaf_ops import BY_SHAPE, LEAF_OPS, shapes_of
from snnvtg.errors import InputError
from snnvtg.leaf_ops import observe

UNSEEN = "a kernel that torch does not dispatch"
KEPT_APART = 4096
"""records beyond these are added up: memory does not grow with the number of batches"""


_leaves: dict[tuple, list[OpRecord]] = {}
"""records of leaf operations that any ledger has seen, by name, module, pass and shapes"""


class UnpricedOperationError(InputError):
    """A strict ledger met an operation it has no rule for."""


class Ledger(Account):
    """Records what `model` executes within the block.

    A padded batch is counted as it is executed, padding included, except in scans and convolutions that were told which
    positions are valid; `Ledger.per_query` takes batches apart, so that padding is no work.

    Neurons of this package, snnTorch, SpikingJelly, norse and sinabs are found. `spiking` names further classes and
    which of their outputs is the spikes, `{MyNeuron: 0}`, see `neurons`. `rules` are counting rules for operators, see
    `register`. `strict` raises UnpricedOperationError at the first operation without a rule, and UntrackedNeuronError
    at the end where a LedgerWarning would be given. `skip_zero_weights` leaves accumulates of weights that are 0 out of
    the effective count.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        strict: bool = False,
        spiking: Mapping[type[nn.Module], int | str | NeuronKind] | None = None,
        rules: Mapping[Any, Rule | None] | None = None,
        skip_zero_weights: bool = False,
    ):
        super().__init__()
        self._open: ExitStack | None = None
        self.model, self.strict, self.skip_zero_weights = model, strict, skip_zero_weights
        self.spiking, self.rules = as_kinds(spiking), {}
        for operator, rule in (rules or {}).items():
            self.register(operator, rule)
        self.provenance = Provenance()
        self.findings = Findings()
        self._running = RunningModules(model, self.spiking, self.provenance, self.findings, self._write, self._left)
        self._recorder = Recorder(
            self.provenance,
            self._running,
            self.findings,
            phase=self._phase,
            write=self.keep,
            read=self._read,
            refuse=self._refuse,
            skip_zero_weights=skip_zero_weights,
        )
        self._dispatched: Dispatched | None = None
        self._after_backward: int | None = None  # until the model is called again: clipping, the optimiser
        self._limit = KEPT_APART

    def register(self, operator: Any, rule: Rule | None) -> None:
        """Count an operator by `rule(call) -> counts`, before the block is entered; None: it computes nothing.

        `operator`: `torch.ops.mylib.myop`, or its name, "mylib::myop", for torch's own "erfinv". As fvcore's handles.
        """
        if self._open is not None:
            raise InputError("Ledger.register: expected a ledger that is not yet open; register before `with`")
        name = operator if isinstance(operator, str) else str(operator)
        self.rules[name.removeprefix("aten::").removeprefix("aten.").replace(".", "::", "::" not in name)] = rule

    def mark_spikes(self, tensor: Tensor, num_timesteps: int = 1) -> Tensor:
        """Declare an input to be spikes, e.g. from an event camera; nothing is declared by its values."""
        self.provenance.set(tensor, Origin(Mark.SPIKE, num_timesteps=num_timesteps, source="the input"))
        return tensor

    def __enter__(self) -> "Ledger":
        self.provenance.set_weights((*self.model.parameters(), *self.model.buffers()))
        with ExitStack() as stack:
            stack.enter_context(self._running.watch())
            if "torch._dynamo" in sys.modules:  # else nothing is compiled
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
            torch.backends.mha.set_fastpath_enabled(False)  # the same work as one opaque operation
            stack.enter_context(observe(self._leaf_op))
            self._dispatched = stack.enter_context(Dispatched(self._recorder.operation, self._before, self.rules))
            if not self.rules:
                stack.enter_context(recalling(self))
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type | None, *exception: object) -> None:
        self._open.close()
        self._open = None
        self.provenance.forget()
        self._running.looks_away, self._after_backward = False, None
        if kind is None:
            self._report()

    def _report(self) -> None:
        found = self.findings.lines(self.model, self.spiking)
        if found and self.strict:
            raise UntrackedNeuronError("; ".join(found))
        for line in found:
            warnings.warn(line, LedgerWarning, stacklevel=3)

    @classmethod
    def per_query(
        cls,
        model: nn.Module,
        inputs: Iterable[Any],
        forward: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> QueryAccounts:
        """Run `forward` (default: the model) on every query of `inputs` and keep the sums of each.

        A Batch is taken apart into its queries, unpadded, so padding is never counted as work and the result does not
        depend on the batch size. Anything else is one query.
        """
        accounts = QueryAccounts()
        with cls(model, **options) as ledger:
            for query in one_by_one(inputs):
                (forward or model)(query)
                accounts.take(ledger)
        return accounts

    # leaf operations

    def _leaf_op(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        if self._running.looks_away or name not in LEAF_OPS:
            return function(*args, **kwargs)  # no rule: its operations are counted as they come
        self._running.looks_away = True
        try:
            with torch._C._DisableTorchDispatch():
                return self._counted(name, function, args, kwargs)
        finally:
            self._running.looks_away = False

    def _counted(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        if self.provenance.saw_empty:
            self._read(leaves((args, kwargs)))
        differentiated = is_differentiated((args, kwargs))
        if differentiated:
            args, kwargs = mark_backward((args, kwargs), self._leave_backward)
        out = function(*args, **kwargs)
        records = self._leaf_records(name, function, args, kwargs, out)
        for record in records:
            if record.op in ("lif", "encode"):
                self.findings.neuron(record.op, record.spikes_out)
            if not self._running.neurons or record.op != "lif":
                self.keep(record)
        return mark_backward(out, lambda: self._enter_backward(records)) if differentiated else out

    def _leaf_records(self, name: str, function: Callable, args: tuple, kwargs: dict, out: Any) -> list[OpRecord]:
        """The records of a leaf operation; those that follow from shapes are looked up where they were seen before."""
        where, phase = self.provenance.where, self._phase()
        shapes = shapes_of((*args, *kwargs.values())) if name in BY_SHAPE else None
        key = (name, where, phase, len(args), *kwargs, shapes)
        if shapes is not None and key in _leaves:
            return _leaves[key]
        arguments = dict(zip(_parameters(getattr(function, "__wrapped__", function)), args, strict=False)) | kwargs
        records = list(LEAF_OPS[name](arguments, out, self.provenance))
        for record in records:
            record.module, record.phase, record.shared = where, phase, shapes is not None
        if shapes is not None:
            if len(_leaves) >= KEPT_APART:
                _leaves.clear()
            _leaves[key] = records
        return records

    def _enter_backward(self, forward: list[OpRecord]) -> None:
        self._dispatched.looks_away = torch._C._current_graph_task_id()
        self.records.extend(leaf_op_backward(forward))

    def _leave_backward(self) -> None:
        self._dispatched.looks_away = None

    def _left(self, out: Any) -> None:
        """The outermost module returned."""
        if self.provenance.saw_empty:
            self._read(leaves(out))

    # operations

    def _before(self, facts: Operation, args: tuple) -> None:
        """An operation is about to write: a buffer of zeros may become one of spikes."""
        if facts.overwrites and self.provenance.get(args[0]) is Mark.WEIGHT and not args[0].requires_grad:
            storage = torch.empty(0, dtype=args[0].dtype, device=args[0].device).set_(args[0].untyped_storage())
            if not storage.any():
                self.provenance.set(args[0], ZERO_WEIGHT)

    def _read(self, tensors: Iterable[Tensor]) -> None:
        """Report memory that is read and that no operation was seen to write: a kernel outside torch's dispatch."""
        for tensor in tensors:
            if self.provenance.get(tensor) is Mark.EMPTY and tensor.numel():
                self._refuse(UNSEEN)
                self.provenance.set(tensor, NOWHERE)
                weights = list(self._running.modules[-1].parameters()) if self._running.modules else []
                bound = most_operations(weights, [tensor], pointwise=not weights)
                self._write(OpRecord(UNSEEN, {}, priced=False, hidden=bound))

    def _refuse(self, operation: str) -> None:
        if self.strict:
            raise UnpricedOperationError(
                f"operation {operation} in module {self.provenance.where!r}: expected one with a counting rule; give "
                f"it one, Ledger(model, rules={{{operation.removeprefix('aten.')!r}: rule}}), or use strict=False and "
                "read `hidden`"
            )

    def _phase(self) -> str:
        if torch._C._current_graph_task_id() != -1:
            self._after_backward = self._running.starts
            return "backward"
        return "update" if self._after_backward == self._running.starts and not self._running.path else "forward"

    def place(self) -> tuple[str, str, bool]:
        """Where a record lies: its module, its pass, and whether a neuron's formula counts it."""
        return self.provenance.where, self._phase(), self._running.hides

    def _write(self, record: OpRecord) -> None:
        """Keep a record of something other than an operation of torch's."""
        record.module, record.phase = self.provenance.where, self._phase()
        self.keep(record)

    def keep(self, record: OpRecord) -> None:
        """Keep a record as it is."""
        self.records.append(record)
        if len(self.records) > self._limit:
            self.records = compact(self.records)
            self._limit = max(KEPT_APART, 2 * len(self.records))


@cache
def _parameters(function: Callable) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
