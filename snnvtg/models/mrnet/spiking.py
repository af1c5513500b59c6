"""A feed-forward network whose hidden units are neurons: not in the paper."""

from torch import Tensor, nn

from snnvtg.layers.norm import MaskedBatchNorm
from snnvtg.neurons import LIF, LIFParameters


class SpikingFeedForward(nn.Module):
    """Linear, batch normalisation, LIF for T steps, Linear; the mean over T.

    The first layer's current is that of every step, so it is computed once; the second adds weights up per spike.
    """

    def __init__(self, width: int, hidden: int, parameters: LIFParameters):
        super().__init__()
        self.first, self.norm = nn.Linear(width, hidden), MaskedBatchNorm(hidden)
        self.lif, self.second = LIF(parameters), nn.Linear(hidden, width)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int) -> Tensor:
        """x (B, S, d), valid_mask (B, S) -> (B, S, d)."""
        current = self.first(x)
        scale, shift = self.norm.affine(current, valid_mask)
        spikes = self.lif(current, num_timesteps=num_timesteps, scale=scale, shift=shift)  # (T, B, S, hidden)
        return self.second(spikes).mean(0)
