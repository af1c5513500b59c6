"""Where in its sequence a clip or a word stands."""

import math

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError


def sinusoids(shape: tuple[int, int], like: Tensor) -> Tensor:
    """Fixed position embeddings (M, d) of the shape given (Vaswani et al., 2017), on the device of `like`."""
    length, width = shape
    rate = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(1e4) / width))
    angle = torch.arange(length, device=like.device).unsqueeze(1) * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :width].to(like.dtype)


class LearnedPositions(nn.Module):
    """One learned vector per position, added."""

    def __init__(self, length: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.randn(length, width) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, M, C) of at most `length` positions -> (B, M, C); InputError for more."""
        if x.shape[1] > len(self.table):
            raise InputError(f"{x.shape[1]} positions, but the model has learned {len(self.table)}; raise that setting")
        return x + self.table[: x.shape[1]]
