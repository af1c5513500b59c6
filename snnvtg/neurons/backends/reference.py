"""`reference`: the law itself, as a backend."""

from torch import Tensor

from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.lif import lif_reference


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, Tensor]:
    spikes, v = lif_reference(
        inputs.driven(), neuron.parameters, inputs.v, beta=inputs.beta, v_threshold=inputs.v_threshold
    )
    return inputs.delivered(spikes), v


REFERENCE = Backend("reference", _run)
