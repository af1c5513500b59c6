"""The origins of all living tensors, followed from operation to operation.

An origin lies on the tensor's storage, so a view, reshape, transpose or slice carries the origin of its base by
construction, and it is gone with the memory. torch keeps one Python object for a storage as long as the storage lives.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor, UntypedStorage

from snnvtg.energy.marks import Marked
from snnvtg.energy.operators import OPERATORS, UNKNOWN
from snnvtg.energy.origin import BINARY, MASK, NOWHERE, WEIGHT, ZERO_WEIGHT, Mark, Origin, joined

_numbers, _places = count(), count()
_interned: dict[Origin, Origin] = {}


class Provenance:
    """Where the tensors that one ledger sees come from.

    `neuron` is the name of the neuron that is being run, if any: what it compares are its spikes. `where` is the name
    of the module that is being run; `slot` names the attribute of a storage that holds its origin.
    """

    def __init__(self):
        self.slot = f"_snnvtg_origin_{next(_numbers)}"
        self._touched: list[UntypedStorage] = []  # long-lived ones, to be forgotten at the end
        self.neuron = self.where = ""
        self.saw_empty = False  # memory was allocated without being filled

    def origin(self, tensor: object) -> Origin:
        """The origin of `tensor`; a boolean tensor is a mask."""
        try:
            found = getattr(tensor.untyped_storage(), self.slot, NOWHERE)
        except NotImplementedError:
            found = getattr(storage_of(tensor), self.slot, NOWHERE)
        except AttributeError:  # no tensor
            return NOWHERE
        return MASK if found is NOWHERE and tensor.dtype is torch.bool else found

    def get(self, tensor: object) -> Mark | None:
        """The mark of `tensor`."""
        return self.origin(tensor).mark

    def num_timesteps(self, tensor: Tensor) -> int:
        """Simulation steps `tensor` covers: T where it descends from a LIF layer and time was not averaged away."""
        return self.origin(tensor).num_timesteps

    def is_spike(self, tensor: object) -> bool:
        """Whether a neuron's output reaches this tensor unmixed."""
        return self.origin(tensor).mark is Mark.SPIKE

    def set(self, tensor: Tensor, origin: Origin) -> None:
        """Say where all entries of the storage of `tensor` come from."""
        try:
            setattr(tensor.untyped_storage(), self.slot, origin)
        except NotImplementedError:
            setattr(storage_of(tensor), self.slot, origin)
        if origin.mark is Mark.EMPTY:
            self.saw_empty = True

    def set_weights(self, tensors: Iterable[Tensor]) -> None:
        """Mark parameters and buffers, until `forget`."""
        for tensor in tensors:
            self.set(tensor, WEIGHT)
            if self.origin(tensor) is WEIGHT:
                self._touched.append(storage_of(tensor))

    def forget(self) -> None:
        """Take the origins off the storages that outlive the ledger."""
        for storage in self._touched:
            if hasattr(storage, self.slot):
                delattr(storage, self.slot)
        self._touched.clear()

    def place(self, tensor: Tensor) -> tuple:
        """Which entries of which memory: equal for two tensors that hold the same, unwritten in between."""
        storage = storage_of(tensor)
        if not hasattr(storage, PLACE):
            setattr(storage, PLACE, next(_places))
        return getattr(storage, PLACE), tensor.storage_offset(), tuple(tensor.shape), tensor.stride()

    def follow(
        self,
        name: str,
        args: tuple,
        kwargs: dict,
        inputs: list[Origin],
        results: list[Tensor],
        *,
        mutates: bool,
        ends: bool = False,
    ) -> None:
        """Say where the results of the operation `name` (an aten name without its overload) come from.

        `inputs` are the origins of the tensors it reads. `ends`: behind it spikes are history, as behind a product.
        """
        told = any(origin is not NOWHERE and origin is not WEIGHT for origin in inputs)
        entry = OPERATORS.get(name, UNKNOWN)
        if not told and not mutates and not entry.creates_marks and not entry.keeps_weights:
            return
        origin = NOWHERE if entry.mark is None else entry.mark(Marked(name, args, kwargs, self))
        origin = self._with_history(origin, name, args, inputs, ends)
        if mutates:
            self._overwrite(name, results, origin)
            return
        for result in results:
            if origin is not NOWHERE:
                left = origin if result.dim() and result.numel() % origin.num_timesteps == 0 else _timeless(origin)
                self.set(result, left)
            origin = MASK if entry.draws else self._with_history(NOWHERE, name, args, inputs, ends)

    def interned(self, origin: Origin) -> Origin:
        """The one object of all that are equal."""
        if len(_interned) > MOST_INTERNED:
            _interned.clear()
        return _interned.setdefault(origin, origin)

    def _overwrite(self, name: str, results: list[Tensor], origin: Origin) -> None:
        for result in results:
            storage = storage_of(result)
            if hasattr(storage, PLACE):
                delattr(storage, PLACE)
            before = self.origin(result)
            if result.numel() * result.element_size() < storage.nbytes():
                kept = joined([before, origin])
                since = origin.since or before.since or self._ended(name, [origin, before])
                steps = max(origin.num_timesteps, before.num_timesteps)
                origin = kept if kept.mark is not None else Origin(since=since, num_timesteps=steps)
            if before.mark is Mark.WEIGHT and origin.mark not in BINARY:  # an updated weight is one
                origin = ZERO_WEIGHT if origin.mark is Mark.ZERO else replace(WEIGHT, since=origin.since)
            setattr(storage, self.slot, self.interned(origin))

    def _with_history(self, origin: Origin, name: str, args: tuple, inputs: list[Origin], ends: bool) -> Origin:
        """`origin` with the time steps it covers and, where spikes ended here or before, since when."""
        steps = 1
        for found in inputs:
            if found.num_timesteps > steps:
                steps = found.num_timesteps
        if steps > 1:
            steps = _time_left(name, args, steps)
        if origin.mark is Mark.MASK and not origin.since:  # spikes among the operands, and no spikes any more
            since = next((o.since for o in inputs if o.since), "") or self._ended(name, inputs)
            return self.interned(replace(origin, num_timesteps=steps, since=since))
        if origin.mark is not None:
            return self.interned(origin if origin.num_timesteps == steps else replace(origin, num_timesteps=steps))
        since = ""
        if not ends:
            since = next((o.since for o in inputs if o.since), "") or self._ended(name, inputs)
        if origin.pending is not None:
            return replace(origin, num_timesteps=steps, since=since)
        if steps == 1 and not since:
            return NOWHERE
        return self.interned(Origin(num_timesteps=steps, since=since))

    def _ended(self, name: str, inputs: list[Origin]) -> str:
        spikes = [o.source for o in inputs if o.mark in (Mark.SPIKE, Mark.QUIET) and o.source]
        if not spikes:
            return ""
        return f"{name} in {self.where or 'the model'}, from {', '.join(dict.fromkeys(spikes))}"


PLACE = "_snnvtg_place"
MOST_INTERNED = 4096


def storage_of(tensor: Tensor) -> UntypedStorage:
    """The memory of a tensor; of a sparse one, that of the entries it stores."""
    try:
        return tensor.untyped_storage()
    except NotImplementedError:
        with torch._C._DisableTorchDispatch():
            entries = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
            return entries.untyped_storage()


def _timeless(origin: Origin) -> Origin:
    return origin if origin.num_timesteps == 1 else replace(origin, num_timesteps=1)


def _time_left(name: str, args: tuple, steps: int) -> int:
    """A reduction over the leading axis ends the simulation's time."""
    if name not in ("mean", "sum", "amax", "select", "unbind"):
        return steps
    axes = args[1] if len(args) > 1 else None
    axes = range(args[0].dim()) if axes is None else (axes,) if isinstance(axes, int) else axes
    return 1 if any(axis % max(args[0].dim(), 1) == 0 for axis in axes) else steps
