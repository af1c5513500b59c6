"""The spiking form of MamFusion, not in the paper: LIF neurons inside attention, and vectors as spike counts."""

from torch import Tensor, nn

from snnvtg.layers.norm import MaskedBatchNorm
from snnvtg.neurons import LIF, LIFParameters


class SpikingOutput(nn.Module):
    """Mean over T of Linear(LIF(BN(x))): the last layer of an attention, which adds up weights of what spikes.

    The current is that of every time step.
    """

    def __init__(self, width: int, parameters: LIFParameters):
        super().__init__()
        self.norm, self.lif, self.linear = MaskedBatchNorm(width), LIF(parameters), nn.Linear(width, width)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int) -> Tensor:
        """x (B, M, C), valid_mask (B, M) -> (B, M, C)."""
        scale, shift = self.norm.affine(x, valid_mask)
        spikes = self.lif(x, num_timesteps=num_timesteps, scale=scale, shift=shift)  # (T, B, M, C)
        return self.linear(spikes).mean(0)


class SpikingHead(nn.Module):
    """Mean over T of LIF(BN(Linear(x))): a firing rate for each dimension, in steps of 1/T."""

    def __init__(self, width: int, parameters: LIFParameters):
        super().__init__()
        self.linear, self.norm, self.lif = nn.Linear(width, width), MaskedBatchNorm(width), LIF(parameters)

    def forward(self, x: Tensor, num_timesteps: int) -> Tensor:
        """x (..., d) -> rates (..., d)."""
        current = self.linear(x).flatten(0, -2).unsqueeze(0)  # (1, rows, d)
        scale, shift = self.norm.affine(current, current.new_ones(current.shape[:2]).bool())
        rates = self.lif(current, num_timesteps=num_timesteps, scale=scale, shift=shift).mean(0)
        return rates.view(*x.shape)
