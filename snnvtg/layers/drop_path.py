"""Stochastic depth."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """Zeroes a residual branch of a whole sample with probability `p` in training (Huang et al., 2016).

    What is kept is divided by 1 − p, so that its expectation stays.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x (B, …), one draw per sample."""
        if not (self.training and self.p):
            return x
        keep = nn.functional.dropout(x.new_ones(x.shape[0], *[1] * (x.dim() - 1)), self.p, True)
        return x * keep
