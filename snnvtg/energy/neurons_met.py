"""Stand-in until the neuron registry is merged."""

from collections.abc import Mapping

from torch import nn

from snnvtg.neurons import LIF

SpikeModules = Mapping[type[nn.Module], int]
KNOWN = {"SpikingNeuron", "BaseNode", "LIFNode"}


def spike_output(module: nn.Module, spike_modules: SpikeModules) -> int | None:
    """Which output is the spikes; None: no neuron."""
    for kind in type(module).__mro__:
        if kind in spike_modules:
            return spike_modules[kind]
    if isinstance(module, LIF) or KNOWN & {kind.__name__ for kind in type(module).__mro__}:
        return 0
    return None
