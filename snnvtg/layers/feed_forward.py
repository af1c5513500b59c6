"""The position-wise network of a Transformer block."""

from torch import nn


def feed_forward(width: int, hidden: int, *, activation: type[nn.Module] = nn.ReLU, dropout: float = 0.0) -> nn.Module:
    """Linear to `hidden`, activation, dropout, and back (Vaswani et al., 2017, Eq. 2): (..., C) -> (..., C)."""
    return nn.Sequential(nn.Linear(width, hidden), activation(), nn.Dropout(dropout), nn.Linear(hidden, width))
