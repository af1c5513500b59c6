"""The Gaussian blocks (Section II-B3, after GMMFormer): attention whose logits fade with distance in the video."""

import math

import torch
from torch import Tensor, nn

from snnvtg.layers.attention import MultiHeadAttention
from snnvtg.layers.feed_forward import feed_forward
from snnvtg.models.mamfusion.config import MamFusionConfig
from snnvtg.models.mamfusion.spiking import SpikingOutput

NINTHS = 9.0
"""a σ of 1 spans a ninth of the video where distances are relative"""


def gaussian_weights(valid_mask: Tensor, sigma: float, distance: str) -> Tensor:
    """What the logit of rows i and j is multiplied by, 1 where i = j: valid_mask (B, L) -> (B, L, L) or (1, L, L).

    `relative`: exp(−z²/2), z = 9 (i − j) / (σ · the sample's rows), whatever it is padded to; `clips`:
    exp(−(i − j)²/σ²). The released code counts i in shares of L and j in shares of L − 1, and with the padding; here
    both are counted alike and without it.
    """
    place = torch.arange(valid_mask.shape[1], device=valid_mask.device)
    apart = (place[:, None] - place).float().unsqueeze(0)  # (1, L, L)
    if distance == "clips":
        return torch.exp(-((apart / sigma) ** 2))
    length = valid_mask.sum(1)[:, None, None]
    return torch.exp(-((NINTHS * apart / (sigma * length)) ** 2) / 2)


class AttentionUnit(nn.Module):
    """LN(x + Attention(x)), its logits under a Gaussian of one σ; with a feed-forward network where asked for."""

    def __init__(self, config: MamFusionConfig, sigma: float = math.inf):
        super().__init__()
        self.sigma, self.distance = sigma, config.distance
        spiking = config.spiking in ("attention", "both")
        options = {"dropout": config.dropout, "project_out": not spiking}
        self.attention = MultiHeadAttention(config.width, config.num_heads, **options)
        self.spiking_out = SpikingOutput(config.width, config.lif) if spiking else None
        self.norm, self.dropout = nn.LayerNorm(config.width), nn.Dropout(config.dropout)
        self.feed_forward = self.norm_feed_forward = None
        if config.feed_forward:
            self.feed_forward = feed_forward(config.width, config.width, dropout=config.dropout)
            self.norm_feed_forward = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int | None = None) -> Tensor:
        """x (B, L, d), valid_mask (B, L) -> (B, L, d); T of the spiking form."""
        modulate = None
        if math.isfinite(self.sigma):
            weights = gaussian_weights(valid_mask, self.sigma, self.distance).unsqueeze(1).to(x.dtype)
            modulate = weights.mul
        read = self.attention(x, x, valid_mask, modulate=modulate)
        if self.spiking_out is not None:
            read = self.spiking_out(read, valid_mask, num_timesteps)
        x = self.norm(x + self.dropout(read))
        if self.feed_forward is None:
            return x
        return self.norm_feed_forward(x + self.dropout(self.feed_forward(x)))


class GaussianBlock(nn.Module):
    """The mean of one attention unit for each σ."""

    def __init__(self, config: MamFusionConfig):
        super().__init__()
        self.units = nn.ModuleList(AttentionUnit(config, sigma) for sigma in config.sigmas)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int | None = None) -> Tensor:
        """As AttentionUnit."""
        return torch.stack([unit(x, valid_mask, num_timesteps) for unit in self.units]).mean(0)
