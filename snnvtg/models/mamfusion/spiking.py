"""The spiking form's heads: vectors as spike counts, so that a query is compared with a video by adding."""

from torch import Tensor, nn

from snnvtg.layers.norm import MaskedBatchNorm
from snnvtg.neurons import LIF, LIFParameters


class SpikingHead(nn.Module):
    """Mean over T of LIF(BN(Linear(x))): a firing rate for each dimension, in steps of 1/T. Not in the paper.

    The current is that of every time step, so that the layer in front of the neurons runs once.
    """

    def __init__(self, width: int, parameters: LIFParameters):
        super().__init__()
        self.linear, self.norm, self.lif = nn.Linear(width, width), MaskedBatchNorm(width), LIF(parameters)

    def forward(self, x: Tensor, num_timesteps: int) -> Tensor:
        """x (..., d) -> rates (..., d)."""
        current = self.linear(x)
        rows = current.flatten(0, -2).unsqueeze(0)  # (1, rows, d)
        scale, shift = self.norm.affine(rows, rows.new_ones(rows.shape[:2]).bool())
        return self.lif(current, num_timesteps=num_timesteps, scale=scale, shift=shift).mean(0)
