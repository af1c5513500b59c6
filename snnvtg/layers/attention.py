"""Multi-head softmax attention, the core that every attention of the comparison models is made of."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, M, C) -> (B, H, M, C / H)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, M, C / H) -> (B, M, C)."""
    return x.transpose(1, 2).flatten(2)


def masked_softmax(logits: Tensor, valid_mask: Tensor) -> Tensor:
    """Softmax over the last axis of `logits` (..., N) where valid_mask (broadcast to it) is true; 0 elsewhere.

    A row without any valid place gives zeros, not NaN.
    """
    weights = logits.masked_fill(~valid_mask, torch.finfo(logits.dtype).min).softmax(-1)
    return weights.masked_fill(~valid_mask, 0.0)


class MultiHeadAttention(nn.Module):
    """softmax(q kᵀ / √(C/H)) v over H heads (Vaswani et al., 2017, Section 3.2), with a hook for its logits."""

    def __init__(
        self, width: int, num_heads: int, *, dropout: float = 0.0, bias: bool = True, project_out: bool = True
    ):
        """`project_out`: a last linear layer over the joined heads."""
        super().__init__()
        if width % num_heads:
            raise InputError(f"num_heads: expected a divisor of width {width}, got {num_heads}")
        self.num_heads = num_heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias=bias) for _ in range(3))
        self.out = nn.Linear(width, width, bias=bias) if project_out else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Tensor,
        memory: Tensor,
        memory_mask: Tensor,
        *,
        modulate: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """queries (B, M, C) read memory (B, N, C) where memory_mask (B, N) is true -> (B, M, C).

        `modulate` changes the scaled logits (B, H, M, N) before the softmax.
        """
        q = split_heads(self.query(queries), self.num_heads)
        k = split_heads(self.key(memory), self.num_heads)
        v = split_heads(self.value(memory), self.num_heads)
        logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        logits = logits if modulate is None else modulate(logits)
        weights = self.dropout(masked_softmax(logits, memory_mask[:, None, None]))
        return self.out(merge_heads(weights @ v))
