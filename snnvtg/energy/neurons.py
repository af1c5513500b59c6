"""Spiking neurons of other libraries, found by class, and how a hand-written one is made known.

    @spiking                                        # the forward returns spikes, or a tuple or dictionary of which the
    class MyNeuron(nn.Module): ...                  # first tensor is: spiking(output=1), spiking(output="spikes")

    with Ledger(model, spiking={MyNeuron: 0}): ...  # the same for one ledger

A neuron's element-wise work counts by formula, `update` an entry of its output, whatever its code does; its own
synapses (recurrent or over time), norms and reductions count as they are executed. Classes are known with their
subclasses, by the library and the name of the class, so that no library is imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.energy.origin import Mark, Origin

Update = Mapping[str, int]
LIF_UPDATE: Update = {"mul": 1, "add": 1, "compare": 1, "select": 1}
"""leak, input, threshold, reset"""


@dataclass(frozen=True)
class NeuronKind:
    """How a class of neurons is counted.

    `output`: where the forward's result holds the spikes, a position or a key; None where its output is no spikes
    (potentials, graded or integer values); `choose_output(module)` where it depends on the module. `update`: operations
    by kind for every entry of the output; None: its element-wise operations as they are executed. `num_states` state
    variables are read and written at each update. `signed`: spikes of −1 too. `traced`: the output holds spikes only if
    it can be followed to a comparison within the neuron. `time_axis`: the axis of simulation steps of the output, or a
    function of the module. `encoder`: makes spikes but is no neuron.
    """

    output: int | str | None = 0
    update: Update | None = field(default_factory=lambda: dict(LIF_UPDATE))
    num_states: int = 1
    signed: bool = False
    traced: bool = False
    time_axis: int | Callable[[nn.Module], int | None] | None = None
    encoder: bool = False
    choose_output: Callable[[nn.Module], int | str | None] | None = None

    def spikes_of(self, module: nn.Module, out: Any) -> Tensor | None:
        """The tensor of `out` that the neuron is counted by; None where there is no such tensor."""
        where = self.choose_output(module) if self.choose_output else self.output
        if isinstance(out, Mapping) and not isinstance(where, str):
            out = list(out.values())
        if where is None and isinstance(out, list):  # potentials, step by step
            return torch.stack(out)
        if isinstance(out, tuple | list | Mapping):
            try:
                out = out[0 if where is None else where]
            except (IndexError, KeyError):
                return None
        elif isinstance(where, str):
            out = getattr(out, where, None)
        return out if isinstance(out, Tensor) else None

    def makes_spikes(self, module: nn.Module) -> bool:
        """Whether an output of this module is spikes."""
        return (self.choose_output(module) if self.choose_output else self.output) is not None

    def origin(self, module: nn.Module, traced: Origin, steps: int, name: str) -> Origin:
        """Where the entries of the output come from; `traced` is what its operations say."""
        if not self.makes_spikes(module) or (self.traced and traced.mark is not Mark.SPIKE):
            return Origin(num_timesteps=steps, since=f"the output of {name}, which is no spikes")
        gain = getattr(module, "graded_spikes_factor", None)
        constant = traced.constant if self.traced else 1.0
        if isinstance(gain, Tensor) and not self.traced:
            if gain.numel() > 1:
                return Origin(num_timesteps=steps, since=f"graded_spikes_factor of {name}")
            constant = float(gain)
        factors = traced.factors if self.traced else ()
        return Origin(Mark.SPIKE, constant, factors, self.signed, steps, name)

    def num_timesteps(self, module: nn.Module, spikes: Tensor) -> int:
        """Simulation steps of one call."""
        axis = self.time_axis(module) if callable(self.time_axis) else self.time_axis
        return spikes.shape[axis] if axis is not None and spikes.dim() > axis else 1


_registered: dict[type[nn.Module], NeuronKind] = {}


def spiking(cls: type[nn.Module] | None = None, **kind: Any) -> Any:
    """Class decorator: instances are spiking neurons to every ledger. Keywords are the fields of NeuronKind."""

    def register(neuron: type[nn.Module]) -> type[nn.Module]:
        _registered[neuron] = NeuronKind(**kind)
        return neuron

    return register if cls is None else register(cls)


def as_kinds(spiking: Mapping[type[nn.Module], int | str | NeuronKind] | None) -> dict[type[nn.Module], NeuronKind]:
    """The `spiking=` of a ledger: a class and its output, or its kind."""
    return {
        cls: kind if isinstance(kind, NeuronKind) else NeuronKind(output=kind) for cls, kind in (spiking or {}).items()
    }


def kind_of(cls: type[nn.Module], own: Mapping[type[nn.Module], NeuronKind]) -> NeuronKind | None:
    """What is known of a class: named for this ledger, decorated, or of a library; None for what is no neuron."""
    for base in cls.__mro__:
        known = own.get(base) or _registered.get(base) or _of_library(base)
        if known:
            return known
    return None


@cache
def _of_library(cls: type) -> NeuronKind | None:
    library, _, rest = cls.__module__.partition(".")
    if library == "norse" and rest.endswith("encode"):
        return ENCODERS.get(cls.__name__)
    if library == "spikingjelly" and rest.endswith("encoding"):
        return ENCODERS.get(cls.__name__)
    return LIBRARIES.get(library, {}).get(cls.__name__)


def _multi_step(module: nn.Module) -> int | None:
    return 0 if getattr(module, "step_mode", "s") == "m" else None


def _kinds(names: str, **kind: Any) -> dict[str, NeuronKind]:
    return dict.fromkeys(names.split(), NeuronKind(**kind))


IF_UPDATE: Update = {"add": 1, "compare": 1, "select": 1}
CURRENT_BASED: Update = {"mul": 2, "add": 2, "compare": 1, "select": 1}
"""a synaptic current that decays in front of the potential"""
QUADRATIC: Update = {"mul": 3, "add": 4, "compare": 1, "select": 1}
EXPONENTIAL: Update = {"mul": 4, "add": 5, "exp": 1, "compare": 1, "select": 1}
IZHIKEVICH: Update = {"mul": 5, "add": 8, "compare": 1, "select": 2}
LSTM: Update = {"exp": 5, "add": 8, "div": 5, "mul": 3, "compare": 1}
"""three sigmoids, two tanh, c = f·c + i·g, h = o·tanh(c), threshold; the four gates' products are synapses"""

_SNNTORCH = {
    **_kinds("SpikingNeuron", traced=True),
    **_kinds("LIF Leaky"),
    **_kinds("Lapicque", update={"mul": 2, "add": 1, "compare": 1, "select": 1}),
    **_kinds("DeltaLeaky", update={"mul": 1, "add": 2, "compare": 2}, num_states=2),
    **_kinds("RLeaky", update={"mul": 1, "add": 2, "compare": 1, "select": 1}),
    **_kinds("Synaptic", update=CURRENT_BASED, num_states=2),
    **_kinds("RSynaptic", update={"mul": 2, "add": 3, "compare": 1, "select": 1}, num_states=2),
    **_kinds("Alpha", update={"mul": 3, "add": 3, "compare": 1, "select": 1}, num_states=3),
    **_kinds("SLSTM SConv2dLSTM", update=LSTM, num_states=2),
    **_kinds("LeakyParallel", update={"add": 2, "compare": 2}, time_axis=0),
    **_kinds("StateLeaky LinearLeaky", update={"compare": 1}, time_axis=0),
    **_kinds("AssociativeLeaky", update=None, time_axis=0),
}
for _name in ("StateLeaky", "LinearLeaky"):
    _SNNTORCH[_name] = replace(_SNNTORCH[_name], choose_output=lambda module: 0 if module.output else None)
_SNNTORCH["AssociativeLeaky"] = replace(
    _SNNTORCH["AssociativeLeaky"], choose_output=lambda m: 0 if m.output and not m.use_q_projection else None
)
_SPIKINGJELLY = {
    **_kinds("BaseNode SimpleBaseNode AdaptBaseNode FlexSN", traced=True),
    **_kinds("LIFNode SimpleLIFNode ParametricLIFNode ILCBaseNode NoisyBaseNode MPBNBaseNode"),
    **_kinds("IFNode SimpleIFNode HalfThresholdIFNode ILCIFNode", update=IF_UPDATE),
    **_kinds("QIFNode", update=QUADRATIC),
    **_kinds("EIFNode", update=EXPONENTIAL),
    **_kinds("IzhikevichNode", update=IZHIKEVICH, num_states=2),
    **_kinds("KLIFNode", update={"mul": 2, "add": 1, "compare": 2, "select": 1}),
    **_kinds("CUBALIFNode ILCCUBALIFNode NoisyCUBALIFNode", update=CURRENT_BASED, num_states=2),
    **_kinds(
        "ComplementaryLIFNode CLIFNode",
        update={"mul": 3, "add": 6, "exp": 2, "div": 2, "compare": 1, "select": 1},
        num_states=2,
    ),
    **_kinds("GatedLIFNode", update={"mul": 6, "add": 4, "compare": 1, "select": 1}),
    **_kinds("RAFNode", update={"mul": 4, "add": 4, "compare": 1, "select": 1}, num_states=2),
    **_kinds("TernaryIFNode", update={"add": 1, "compare": 2, "select": 1}, signed=True),
    **_kinds("TernaryLIFNode", update={"mul": 1, "add": 1, "compare": 2, "select": 1}, signed=True),
    **_kinds("PSN MaskedPSN SlidingPSN", update={"compare": 1}, num_states=0),
    **_kinds("SpikingRNNCellBase", update=None, traced=True),
    **_kinds("NonSpikingBaseNode NoisyNonSpikingBaseNode", output=None, update={"mul": 1, "add": 1}),
    **_kinds("LIAFNode ILIFNode DSRIFNode DSRLIFNode", output=None),
    **_kinds("FewSpikeNode STBIFNode ActivationAwareIFNode", output=None, update=None),
}
_SPIKINGJELLY = {name: replace(kind, time_axis=_multi_step) for name, kind in _SPIKINGJELLY.items()}
_NORSE = {
    f"{name}{ending}": replace(kind, time_axis=None if "Cell" in ending else 0)
    for ending in ("", "Cell", "Recurrent", "RecurrentCell")
    for name, kind in {
        **_kinds("LIF LIFEx LIFMC LIFMCRefrac CobaLIF", update=CURRENT_BASED, num_states=2),
        **_kinds("LIFRefrac LIFAdEx LIFAdExRefrac LSNN", update={**CURRENT_BASED, "mul": 4, "add": 4}, num_states=3),
        **_kinds("LIFBox"),
        **_kinds("IAF", update=IF_UPDATE),
        **_kinds("Izhikevich", update=IZHIKEVICH, num_states=2),
        **_kinds("LI LIBox LILinear", output=None, update={"mul": 2, "add": 2}, num_states=2),
    }.items()
}


def _single_spike(module: nn.Module) -> int | None:
    """Sinabs' neurons may fire several times a step: integers, which select nothing."""
    return 0 if getattr(module.spike_fn, "__name__", "") == "SingleSpike" else None


_SINABS = {
    **_kinds("LIF ALIF", time_axis=1, choose_output=_single_spike),
    **_kinds("IAF IAFRecurrent", update=IF_UPDATE, time_axis=1, choose_output=_single_spike),
    **_kinds("ExpLeak", output=None, update={"mul": 1, "add": 1}, time_axis=1),
}
LIBRARIES: dict[str, dict[str, NeuronKind]] = {
    "snntorch": _SNNTORCH,
    "spikingjelly": _SPIKINGJELLY,
    "norse": _NORSE,
    "sinabs": _SINABS,
}
"""library → class → kind"""
ENCODERS = {
    **_kinds("PoissonEncoder PoissonEncoderStep", update={"random": 1, "compare": 1}, encoder=True),
    **_kinds("LatencyEncoder PeriodicEncoder SpikeLatencyEncoder", update={"compare": 1}, encoder=True),
    **_kinds("ConstantCurrentLIFEncoder SpikeLatencyLIFEncoder", update=CURRENT_BASED, encoder=True),
    **_kinds("WeightedPhaseEncoder", update={"compare": 1}, encoder=True, traced=True),
}
