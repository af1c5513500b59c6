"""The ledger: one record for every operation that a model really executes.

    with Ledger(model) as ledger:
        model(batch)
    ledger.totals, ledger.coverage, ledger.table()

Operations are seen as torch dispatches them; leaf operations (LIF layers, scans) are one entry each, counted from
shapes and masks, whichever backend runs them. Compiled models run as they were written while a ledger looks on. A
kernel that torch does not dispatch (a binding of its own, Triton, numba) cannot be seen; its result can, as memory that
was allocated and read but never written, and lowers the coverage. One that writes into zeros, or over a tensor that was
there before, passes unnoticed.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.backward_markers import is_differentiated, leaves, mark_backward
from snnvtg.energy.dispatch import ALLOCATE, OVERWRITE, Dispatched, name_of, stored_bytes, tensors_in
from snnvtg.energy.per_query import QueryAccounts, one_by_one
from snnvtg.energy.provenance import Mark, Provenance
from snnvtg.energy.rules import FREE, RULES, Call
from snnvtg.energy.rules.backward import leaf_op_backward
from snnvtg.energy.rules.leaf_ops import LEAF_OPS, LeafOpRule, third_party_neuron
from snnvtg.energy.rules.linear import LOOKUPS
from snnvtg.errors import InputError
from snnvtg.leaf_ops import observe

SpikeModules = Mapping[type[nn.Module], int]
UNSEEN = "a kernel that torch does not dispatch"


class UnpricedOperationError(InputError):
    """A strict ledger met an operation it has no rule for."""


class Ledger(Account):
    """Records what `model` executes within the block.

    A padded batch is counted as it is executed, padding included, except in scans and convolutions that were told which
    positions are valid; `Ledger.per_query` takes batches apart, so that padding is no work.

    `spike_modules` names neuron classes of other libraries and which of their outputs is the spikes (0 where they
    return one tensor), e.g. `{snntorch.Leaky: 0}`: their output is a spike tensor and each entry one neuron update.
    `strict` raises UnpricedOperationError at the first operation without a rule. `skip_zero_weights` leaves accumulates
    of weights that are 0 out of the effective count.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        strict: bool = False,
        spike_modules: SpikeModules | None = None,
        skip_zero_weights: bool = False,
    ):
        super().__init__()
        self.model, self.strict, self.skip_zero_weights = model, strict, skip_zero_weights
        self.spike_modules = dict(spike_modules or {})
        self.provenance = Provenance()
        self._path: list[str] = []
        self._inside = 0  # depth of leaf operations and third-party neurons
        self._backward_of: int | None = None  # the backward pass in which a leaf operation's backward is running
        self._after_backward = False  # until the model is called again: clipping, the optimiser
        self._open: ExitStack | None = None

    def mark_spikes(self, tensor: Tensor, num_timesteps: int = 1) -> Tensor:
        """Declare an input to be spikes, e.g. from an event camera; nothing is declared by its values."""
        self.provenance.set(tensor, Mark.SPIKE, num_timesteps)
        return tensor

    def __enter__(self) -> "Ledger":
        with ExitStack() as stack:
            for tensor in (*self.model.parameters(), *self.model.buffers()):
                self.provenance.set(tensor, Mark.WEIGHT)
            for name, module in self.model.named_modules():
                before = module.register_forward_pre_hook(self._enter(name, module))
                after = module.register_forward_hook(self._leave(module), always_call=True)
                stack.callback(before.remove)
                stack.callback(after.remove)
            if "torch._dynamo" in sys.modules:  # else nothing is compiled
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(observe(self._leaf_op))
            stack.enter_context(Dispatched(self._operation, self._is_inside))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()
        self._path.clear()
        self._inside, self._backward_of, self._after_backward = 0, None, False

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

    # what the model does

    def _enter(self, name: str, module: nn.Module) -> Callable:
        neuron = type(module) in self.spike_modules

        def hook(*_: Any) -> None:
            self._after_backward &= bool(self._path)
            self._path.append(name)
            self._inside += neuron

        return hook

    def _leave(self, module: nn.Module) -> Callable:
        output = self.spike_modules.get(type(module))

        def hook(_: nn.Module, args: tuple, out: Any) -> None:
            if output is not None:
                self._inside -= 1
                if out is not None and not self._inside:
                    with _disable_current_modes():
                        spikes = out[output] if isinstance(out, tuple | list) else out
                        current = args[0] if args else None
                        self._write(third_party_neuron(current, spikes, self.provenance))
            elif not self._inside:
                self._read(leaves(out))
            if self._path:
                self._path.pop()

        return hook

    def _leaf_op(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        if self._inside:
            return function(*args, **kwargs)
        if name not in LEAF_OPS:
            return function(*args, **kwargs)  # no rule: its operations are counted as they come
        self._inside += 1
        try:
            with _disable_current_modes():
                return self._counted(LEAF_OPS[name], function, args, kwargs)
        finally:
            self._inside -= 1

    def _counted(self, rule: LeafOpRule, function: Callable, args: tuple, kwargs: dict) -> Any:
        self._read(leaves((args, kwargs)))
        differentiated = is_differentiated((args, kwargs))
        if differentiated:
            args, kwargs = mark_backward((args, kwargs), self._leave_backward)
        out = function(*args, **kwargs)
        arguments = _signature(function).bind(*args, **kwargs).arguments
        records = list(rule(arguments, out, self.provenance))
        for record in records:
            self._write(record)
        return mark_backward(out, lambda: self._enter_backward(records)) if differentiated else out

    def _enter_backward(self, forward: list[OpRecord]) -> None:
        self._backward_of = torch._C._current_graph_task_id()
        self.records.extend(leaf_op_backward(forward))

    def _leave_backward(self) -> None:
        self._backward_of = None

    def _is_inside(self) -> bool:
        """Whether a leaf operation is running, forward or backward."""
        backward = self._backward_of is not None and self._backward_of == torch._C._current_graph_task_id()
        return self._inside > 0 or backward

    def _operation(self, func: Any, args: tuple, kwargs: dict, out: Any) -> None:
        name, mutates = name_of(func)
        plain = name.rstrip("_") if mutates else name
        rule = RULES.get(plain)
        call = Call(plain, args, kwargs, out, self.provenance, skip_zero_weights=self.skip_zero_weights)
        known = rule is not None or name in FREE or plain in FREE
        if not known:
            self._refuse(str(func))
        if plain not in ALLOCATE:
            self._read(tensors_in(args[1:] if name in OVERWRITE else args))
        record = OpRecord(plain if "::" in plain else f"aten.{plain}", rule(call) if rule else {}, priced=known)
        record.spikes_in, record.dense_in, record.spike_operands = call.spikes_in, call.dense_in, call.spike_operands
        if call.bias is not None:
            record.bias_bytes = call.bias.numel() * call.bias.element_size()
        self.provenance.follow(name, args, out, mutates=mutates)
        if "ac" in record.counts:
            self.provenance.set(call.result, Mark.SUM, self.provenance.num_timesteps(call.result))
        self._sizes(record, plain, args, out)
        self._write(record)

    def _read(self, tensors: Iterable[Tensor]) -> None:
        """Report memory that is read and that no operation was seen to write: a kernel outside torch's dispatch."""
        for tensor in tensors:
            if self.provenance.get(tensor) is Mark.EMPTY and tensor.numel():
                self._refuse(UNSEEN)
                self.provenance.set(tensor, None)
                self._write(OpRecord(UNSEEN, {}, priced=False))

    def _refuse(self, operation: str) -> None:
        if self.strict:
            raise UnpricedOperationError(
                f"operation {operation} in module {self._where()!r}: expected one with a counting rule; add one to "
                "snnvtg.energy.rules, or use strict=False and read the report's list of unpriced operations"
            )

    def _sizes(self, record: OpRecord, name: str, args: tuple, out: Any) -> None:
        widths = []
        for place, operand in enumerate(tensors_in(args)):
            size = stored_bytes(operand)
            if name in LOOKUPS and not place:
                record.table_bytes, size = size, min(size, sum(stored_bytes(made) for made in tensors_in((out,))))
            if self.provenance.get(operand) is Mark.WEIGHT:
                record.weight_bytes += size
            else:
                record.read_bytes += size
            if operand.is_floating_point():
                widths.append(operand.element_size() * 8)
        for result in tensors_in((out,)):
            record.written_bytes += result.numel() * result.element_size()
            record.outputs += result.numel()
            record.num_timesteps = max(record.num_timesteps, self.provenance.num_timesteps(result))
        record.width = max(widths, default=32)

    def _write(self, record: OpRecord) -> None:
        record.module = self._where()
        if torch._C._current_graph_task_id() != -1:
            record.phase, self._after_backward = "backward", True
        elif self._after_backward and not self._path:
            record.phase = "update"
        self.records.append(record)

    def _where(self) -> str:
        return self._path[-1] if self._path else ""


@cache
def _signature(function: Callable) -> inspect.Signature:
    return inspect.signature(function)
