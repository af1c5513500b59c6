"""Which module is being run, and whether it is a spiking neuron: what a ledger learns from torch's module hooks."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snnvtg.energy.account import OpRecord
from snnvtg.energy.backward_markers import leaves
from snnvtg.energy.findings import Findings
from snnvtg.energy.neurons import NeuronKind, kind_of
from snnvtg.energy.origin import NOWHERE, Mark
from snnvtg.energy.provenance import Provenance
from snnvtg.energy.rules.leaf_ops import library_neuron


class Running(NamedTuple):
    """A neuron that is being run: its kind, the name it goes by, and whether spikes added up its current."""

    kind: NeuronKind
    name: str
    summed: bool


class RunningModules:
    """The path of modules from the outermost to the innermost; neurons are marked and handed to `write` as they end.

    Modules outside the model, such as neurons in a list, are watched too; they go by the name of their class.
    """

    def __init__(
        self,
        model: nn.Module,
        own: Mapping[type[nn.Module], NeuronKind],
        provenance: Provenance,
        findings: Findings,
        write: Callable[[OpRecord], None],
        left: Callable[[Any], None],
    ):
        self.model, self.own, self.provenance, self.findings = model, own, provenance, findings
        self.write, self.left = write, left
        self.path: list[str] = []
        self.modules: list[nn.Module] = []
        self.neurons: list[Running] = []
        self.starts = 0
        self.hides = False  # element-wise operations are a neuron's, counted by its formula
        self.looks_away = False  # a leaf operation runs, whatever it is made of
        self._names = {id(module): name for name, module in model.named_modules()}
        self._kinds: dict[type, NeuronKind | None] = {}

    def watch(self) -> ExitStack:
        """Begin; close to stop. Every module's call passes here meanwhile, as when torch.fx traces."""
        call = nn.Module._call_impl

        def watched(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self.looks_away:
                return call(module, *args, **kwargs)
            self._enter(module, args)
            out = None
            try:
                out = call(module, *args, **kwargs)
                return out
            finally:
                self._leave(module, out)

        stack = ExitStack()
        stack.callback(setattr, nn.Module, "_call_impl", call)
        nn.Module._call_impl = watched
        return stack

    def class_of(self, name: str) -> str:
        """The class of the module of this name."""
        modules = dict(self.model.named_modules())
        return type(modules[name]).__name__ if name in modules else name.rpartition(".")[2]

    def _enter(self, module: nn.Module, args: tuple) -> None:
        name = self._names.get(id(module))
        if name is None:
            name = ".".join([*filter(None, self.path[-1:]), type(module).__name__])
        else:
            self.findings.ran = True
            self.starts += not self.path
        self.path.append(name)
        self.modules.append(module)
        self.provenance.where = name
        cls = type(module)
        if cls not in self._kinds:
            self._kinds[cls] = kind_of(cls, self.own)
        kind = self._kinds[cls]
        if kind is not None:
            name = self.neurons[0].name if self.neurons else name or type(module).__name__
            summed = bool(args) and self.provenance.get(args[0]) is Mark.SUM
            self.neurons.append(Running(kind, name, summed))
            self.provenance.neuron = name if kind.makes_spikes(module) else ""
            self.hides = self.neurons[0].kind.update is not None

    def _leave(self, module: nn.Module, out: Any) -> None:
        if self._kinds[type(module)] is not None:
            running = self.neurons.pop()
            self.hides = bool(self.neurons) and self.neurons[0].kind.update is not None
            if out is not None:
                with torch._C._DisableTorchDispatch():
                    self._fired(running, module, out)
            self.provenance.neuron = self.neurons[-1].name if self.neurons else ""
        elif len(self.path) == 1:
            self.left(out)
        self.path.pop()
        self.modules.pop()
        self.provenance.where = self.path[-1] if self.path else ""

    def _fired(self, running: Running, module: nn.Module, out: Any) -> None:
        """Mark the spikes; of the outermost neuron write the updates down."""
        for tensor in leaves(out):
            if self.provenance.get(tensor) is Mark.EMPTY:  # a kernel of the neuron's own filled it
                self.provenance.set(tensor, NOWHERE)
        kind, name, cls = running.kind, running.name, type(module).__name__
        found = kind.spikes_of(module, out)
        if not isinstance(found, Tensor):
            self.findings.untracked[cls] = name
            return
        steps = kind.num_timesteps(module, found)
        origin = kind.origin(module, self.provenance.origin(found), 1 if kind.time_axis == 1 else steps, name)
        for tensor in [found] if kind.makes_spikes(module) else leaves(out):
            self.provenance.set(tensor, self.provenance.interned(origin))
        spiking = origin.mark is Mark.SPIKE
        if kind.makes_spikes(module) and not spiking:
            self.findings.untracked[cls] = name
        if not self.neurons:
            record = library_neuron(kind, found, steps=steps, spiking=spiking, summed=running.summed)
            self.findings.neuron(cls, record.spikes_out if spiking else None)
            self.write(record)
