"""Batch normalisation that does not see padding."""

import torch
from torch import Tensor, nn

from snnvtg.layers.shares import summed


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over the channels of (..., B, M, C), statistics over the valid positions only.

    Eq. 5 names no dimension: channels, with T, B and M as samples, is the choice of every spiking transformer. Where
    processes read a batch in shares (`layers.shares`), the statistics are of the whole batch.
    """

    def __init__(self, num_channels: int, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.register_buffer("running_mean", torch.zeros(num_channels))
        self.register_buffer("running_var", torch.ones(num_channels))

    def forward(self, x: Tensor, valid_mask: Tensor) -> Tensor:
        """Normalise x (..., B, M, C); valid_mask (B, M), True is real."""
        scale, shift = self.affine(x, valid_mask)
        return x * scale + shift

    def affine(self, x: Tensor, valid_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (C,) that normalise x, for a LIF layer to apply as it reads.

        From the batch in training (which also moves the running statistics), else from the running statistics.
        """
        mean, var = self._batch_statistics(x, valid_mask) if self.training else (self.running_mean, self.running_var)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return scale, self.bias - mean * scale

    def _batch_statistics(self, x: Tensor, valid_mask: Tensor) -> tuple[Tensor, Tensor]:
        samples = x.float().reshape(-1, valid_mask.numel(), x.shape[-1])
        count = summed(valid_mask.sum() * samples.shape[0])
        # a product with the mask's weights reads x once and makes no masked copy of it
        share = (valid_mask.flatten() / count).float().expand(samples.shape[0], 1, -1)
        with torch.autocast(x.device.type, enabled=False):  # statistics in float32, mixed precision or not
            mean = summed((share @ samples).sum((0, 1)))
            var = summed((share @ (samples - mean).square()).sum((0, 1)))
        with torch.no_grad():
            unbiased = var * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        return mean, var
