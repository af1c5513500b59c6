"""A LIF backend of a user's own, in one file: `--backend my_backend.py:BACKEND`.

It runs the loop of Eq. 4 itself, for hard resets in float32 or float64, and says why not for anything else.
"""

import torch

from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.surrogate import spike

calls = []
"""T of every call in this process"""


def run(neuron: Neuron, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
    given, current = neuron.parameters, inputs.driven()  # (T, ..., C)
    calls.append(len(current))
    h = torch.zeros_like(current[0]) if inputs.v is None else inputs.v
    spikes = []
    for x in current:
        u = h + x
        s = spike(u, inputs.v_threshold, given.surrogate, given.surrogate_alpha)
        fed_back = s.detach() if given.detach_reset else s
        h = given.v_reset * fed_back + (inputs.beta * u) * (1 - fed_back)
        spikes.append(s)
    return inputs.delivered(torch.stack(spikes)), h


def refuses(neuron: Neuron) -> list[str]:
    return ["it resets hard, never softly"] if neuron.parameters.soft else []


BACKEND = Backend("mine", run, remedy="Use hard resets, or --backend auto.", refuses=refuses)
