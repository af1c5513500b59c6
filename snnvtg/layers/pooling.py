"""Masked attentive pooling of a sequence to one vector."""

import torch
from torch import Tensor, nn


class AttentivePooling(nn.Module):
    """Softmax-weighted mean over the valid positions, one learned score per position.

    The softmax takes no notice of the score's bias: without it nothing changes but the number of parameters.
    """

    def __init__(self, width: int, bias: bool = True):
        super().__init__()
        self.score = nn.Linear(width, 1, bias=bias)

    def forward(self, x: Tensor, valid_mask: Tensor) -> Tensor:
        """x (B, M, C), valid_mask (B, M) -> (B, 1, C)."""
        logits = self.score(x).squeeze(-1)  # under autocast of another type than x
        logits = logits.masked_fill(~valid_mask, torch.finfo(logits.dtype).min)
        return torch.bmm(logits.softmax(-1).unsqueeze(1), x)
