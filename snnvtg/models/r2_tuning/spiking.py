"""The spiking form: LIF neurons in the place of ReLU, so that what they drive adds weights up.

The current of a neuron is the normalised output of the layer before, the same at each of T steps; what the spikes
drive is averaged over the steps. Not in R²-Tuning.
"""

from torch import Tensor, nn

from snnvtg.layers.norm import MaskedBatchNorm
from snnvtg.neurons import LIF, LIFParameters


class SpikingFeedForward(nn.Module):
    """The feed-forward network of a Transformer block with a spiking hidden layer."""

    def __init__(self, width: int, hidden: int, parameters: LIFParameters):
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm, self.lif = MaskedBatchNorm(hidden), LIF(parameters)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int) -> Tensor:
        """x (B, M, C), valid_mask (B, M) -> (B, M, C)."""
        current = self.first(x)
        scale, shift = self.norm.affine(current, valid_mask)
        spikes = self.lif(current, num_timesteps=num_timesteps, scale=scale, shift=shift)  # (T, B, M, hidden)
        return self.second(spikes).mean(0)


class SpikingConvHead(nn.Module):
    """`layers.heads.ConvHead` with a spiking hidden layer."""

    def __init__(self, width: int, out: int, parameters: LIFParameters):
        super().__init__()
        self.first, self.second = nn.Conv1d(width, width, 3, padding=1), nn.Conv1d(width, out, 3, padding=1)
        self.norm, self.lif = MaskedBatchNorm(width), LIF(parameters)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int) -> Tensor:
        """x (B, M, C), valid_mask (B, M) -> (B, M, out)."""
        keep = valid_mask.unsqueeze(-1).to(x.dtype)
        current = self.first((x * keep).transpose(1, 2)).transpose(1, 2)
        scale, shift = self.norm.affine(current, valid_mask)
        spikes = self.lif(current, num_timesteps=num_timesteps, scale=scale, shift=shift) * keep  # (T, B, M, C)
        told = self.second(spikes.flatten(0, 1).transpose(1, 2)).transpose(1, 2)
        return told.unflatten(0, spikes.shape[:2]).mean(0)
