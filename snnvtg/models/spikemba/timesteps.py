"""What may give a time step a meaning: the video's own change, and what was found salient a step before.

A constant current through the leaky neuron of Eq. 4 gives time steps none. From rest the potential after k silent steps
is x (1 + β + … + β^(k−1)), so the neuron fires every k-th step, k the first with that sum of at least the threshold
θ: x ≥ θ fires always, x ≤ (1 − β) θ never, and in between the rate is ⌊T / k⌋ / T. With β = 0.5 that is a fixed
quantiser: more steps add levels between θ / 2 and 4 θ / 7 alone, once T is 2 and 3. With β = 1 and a soft reset the
rate is ⌊T x / θ⌋ / T for x ≤ θ, and the resolution grows with T everywhere.
"""

import torch
from torch import Tensor, nn


def between_clips(x: Tensor, is_clip: Tensor, num_timesteps: int) -> Tensor:
    """x (B, M, C) -> (T, B, M, C): step t of T hears the video (t + ½) / T − ½ clips after the centre of each clip.

    To first order, by the mean slope towards the neighbouring clips; a single step hears x itself. What is no clip
    (is_clip (B, M) False) is heard as it is, and is no neighbour.
    """
    keep = is_clip.unsqueeze(-1).to(x.dtype)
    step = (x[:, 1:] - x[:, :-1]) * keep[:, 1:] * keep[:, :-1]  # (B, M - 1, C)
    none = torch.zeros_like(x[:, :1])
    slope = (torch.cat([step, none], 1) + torch.cat([none, step], 1)) / 2
    offset = (torch.arange(num_timesteps, device=x.device, dtype=x.dtype) + 0.5) / num_timesteps - 0.5
    return x + offset[:, None, None, None] * slope


class SaliencyFeedback(nn.Module):
    """Clips that fired more than others at a step are heard louder at the next, the others softer.

    After the abstract of SpikingVTG (NeurIPS 2025), whose gate is not given there: 2 σ(κ z), z the rate of a position
    over its channels at mean 0 and variance 1 over the sequence, κ learned.
    """

    def __init__(self):
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(1.0))

    def forward(self, spikes: Tensor, valid_mask: Tensor) -> Tensor:
        """spikes (1, B, M, C) of a step -> the gate (B, M, 1) of the next."""
        return 2 * torch.sigmoid(self.strength * standardised(spikes.mean((0, 3)), valid_mask)).unsqueeze(-1)


def standardised(x: Tensor, valid_mask: Tensor) -> Tensor:
    """x (B, M) at mean 0 and variance 1 over its valid positions, 0 elsewhere."""
    keep = valid_mask.to(x.dtype)
    count = keep.sum(1, keepdim=True)
    x = (x - (x * keep).sum(1, keepdim=True) / count) * keep
    return x / ((x * x).sum(1, keepdim=True) / count + 1e-6).sqrt()
