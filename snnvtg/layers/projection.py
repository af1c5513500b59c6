"""From features as stored on disk to the width of the model."""

from itertools import pairwise

import torch
from torch import Tensor, nn


class FeatureDropout(nn.Module):
    """Dropout of whole input dimensions, the same for every position of a sample.

    Neighbouring clips are nearly alike: a dimension dropped in one clip could still be read off the next.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x (B, M, in), dropped per sample and dimension."""
        keep = nn.functional.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.p, self.training)
        return x * keep if self.training else x


class InputProjection(nn.Module):
    """Standardise, drop, and project features (B, M, in) to (B, M, width).

    Each input dimension is standardised with statistics of the training set, which travel in the checkpoint:
    normalised CLIP features share a large common mean that would otherwise drown what differs between clips.
    """

    def __init__(self, in_width: int, width: int, dropout: float):
        super().__init__()
        self.register_buffer("mean", torch.zeros(in_width))
        self.register_buffer("scale", torch.ones(in_width))
        self.layers = nn.Sequential(
            FeatureDropout(dropout),
            nn.Linear(in_width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.LayerNorm(width),
        )

    @torch.no_grad()
    def fit(self, mean: Tensor, std: Tensor, eps: float = 1e-6) -> None:
        """Set the standardisation; mean and std (in,) of the training set. A constant dimension becomes 0."""
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(std > eps, 1 / std.clamp(min=eps), torch.zeros_like(std)))

    def standardised(self, x: Tensor) -> Tensor:
        """(B, M, in), each dimension at mean 0 and variance 1 over the training set."""
        return (x - self.mean) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """(B, M, in) -> (B, M, width)."""
        return self.layers(self.standardised(x))


class LinearPath(nn.Module):
    """A linear map of standardised features, to which what a network made of them is added, a little of it at first.

    With few samples such a map is what carries over to others, and a deep network alone is not.
    """

    def __init__(self, in_width: int, width: int, dropout: float, share: float = 0.1):
        super().__init__()
        self.drop, self.map = FeatureDropout(dropout), nn.Linear(in_width, width, bias=False)
        self.gain = nn.Parameter(torch.tensor(share))

    def forward(self, features: Tensor, encoded: Tensor) -> Tensor:
        """features (B, M, in), encoded (B, M, width) -> (B, M, width)."""
        return self.map(self.drop(features)) + self.gain * encoded


def normed_projection(
    *widths: int, dropout: float, activate_last: bool = True, kind: type[nn.Module] = nn.Dropout
) -> nn.Sequential:
    """LayerNorm, Dropout, Linear, ReLU from each width to the next; `activate_last`: whether the last has its ReLU.

    With `kind` FeatureDropout it reads (B, M, in).
    """
    layers: list[nn.Module] = []
    for width, wider in pairwise(widths):
        layers += [nn.LayerNorm(width), kind(dropout), nn.Linear(width, wider), nn.ReLU()]
    return nn.Sequential(*(layers if activate_last else layers[:-1]))
