import pytest
import torch
from torch import nn

from snnvtg.neurons import LIF, LIFParameters

STEPS, BATCH = 4, 2


class CaseA:
    """The hand-checkable MLP 6→4→3: T = 4, B = 2, β = 0.5, threshold 0.9, hard reset to 0."""

    parameters = LIFParameters(beta=0.5, v_threshold=0.9)
    input = torch.tensor(
        [
            [[float((t + 2 * b + 3 * j) % 4 == 0 or (t * j + b) % 5 == 1) for j in range(6)] for b in range(BATCH)]
            for t in range(STEPS)
        ]
    )
    weight_1 = torch.tensor([[((3 * i + 5 * j) % 7 - 2) / 4 for j in range(6)] for i in range(4)])
    bias_1 = torch.tensor([0.125, 0, -0.125, 0.25])
    weight_2 = torch.tensor([[((2 * i + 3 * j) % 5 - 1) / 4 for j in range(4)] for i in range(3)])

    def network(self, make_neuron=None) -> nn.Sequential:
        make_neuron = make_neuron or (lambda: LIF(self.parameters))
        layers = nn.Sequential(nn.Linear(6, 4), make_neuron(), nn.Linear(4, 3, bias=False), make_neuron())
        with torch.no_grad():
            layers[0].weight.copy_(self.weight_1)
            layers[0].bias.copy_(self.bias_1)
            layers[2].weight.copy_(self.weight_2)
        return layers.requires_grad_(False)


@pytest.fixture
def case_a() -> CaseA:
    return CaseA()
