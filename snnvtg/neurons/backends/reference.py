"""`reference`: the reference itself, as a backend; it refuses nothing."""

from torch import Tensor

from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.extended import LIFState, extended_reference
from snnvtg.neurons.lif import lif_reference


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor | LIFState, ...]:
    values = {"beta": inputs.beta, "v_threshold": inputs.v_threshold}
    if neuron.beyond_one_state:
        spikes, *rest = extended_reference(
            inputs.driven(), neuron.parameters, inputs.v, recurrent=inputs.recurrent, **values
        )
    else:
        spikes, *rest = lif_reference(
            inputs.driven(), neuron.parameters, inputs.v, return_potential=inputs.trace, **values
        )
    return inputs.delivered(spikes), *rest[: 2 if inputs.trace else 1]


REFERENCE = Backend("reference", _run, forward_mode=True)
