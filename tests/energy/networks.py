"""Four networks small enough to count by hand: what the ledger's tests and the independent tools are run on."""

import itertools

import torch
from torch import Tensor, nn

from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig, SpikingSaliencyDetector
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

    def network(self, make_neuron=None, last=None) -> nn.Sequential:
        """With `make_neuron()` after both layers, `last()` after the second where it is another."""
        make_neuron = make_neuron or (lambda: LIF(self.parameters))
        layers = nn.Sequential(
            nn.Linear(6, 4), make_neuron(), nn.Linear(4, 3, bias=False), (last or make_neuron)()
        )  # fmt: skip
        with torch.no_grad():
            layers[0].weight.copy_(self.weight_1)
            layers[0].bias.copy_(self.bias_1)
            layers[2].weight.copy_(self.weight_2)
        return layers.requires_grad_(False)


class SpikesThroughConvolution(nn.Module):
    """LIF → Conv2d(4 → 6, 3 × 3, stride 2, padding 1, 2 groups), a bias; input (T·B, 4, 5, 5) as T = 1."""

    def __init__(self):
        super().__init__()
        self.lif, self.conv = LIF(), nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)

    def forward(self, current: Tensor) -> Tensor:
        return self.conv(self.lif(current).squeeze(0))


CURRENT = torch.randn(1, 2, 4, 5, 5, generator=torch.Generator().manual_seed(1)) * 2


def taps(spikes: Tensor) -> int:
    """Every (spike, output) pair that a 3 × 3 window of stride 2 and padding 1 joins, by walking them all."""
    pairs = 0
    for row, column in itertools.product(range(5), range(5)):
        windows = sum(
            0 <= row + 1 - 2 * i < 3 and 0 <= column + 1 - 2 * j < 3 for i, j in itertools.product(range(3), range(3))
        )
        pairs += int(spikes[:, :, row, column].sum()) * windows * 3  # 6 output channels in 2 groups: 3 are reached
    return pairs


Q = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
K = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]])
V = torch.tensor([[0.0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 1]])
TOKENS = torch.eye(3, 4).unsqueeze(0)
"""token i selects row i of the spikes"""
VALID = torch.ones(1, 3, dtype=torch.bool)


def detector(order: str) -> SpikingSaliencyDetector:
    """Width 4, two heads of 2, no normalisation before Q, K, V, whose currents are the spikes above times 2."""
    torch.manual_seed(0)
    model = SpikingSaliencyDetector(4, 2, LIFParameters(), scale=0.125, qkv_bn=False, order=order).eval()
    for layer, spikes in ((model.q_proj, Q), (model.k_proj, K), (model.v_proj, V)):
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight[:, :3] = 2 * spikes.t()
            layer.bias.zero_()
    return model


def tiny_spikemba(config: SpikeMbaConfig) -> SpikeMba:
    """Untrained, for video features of 6 numbers and words of 5."""
    torch.manual_seed(0)
    return SpikeMba(config, 6, 5).eval()
