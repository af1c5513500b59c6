"""Mamba-2's form of the scan, state-space duality: one rate and one step per head, so that chunks are matrix products.

Source: Dao and Gu 2024, Listing 1, in plain torch. It computes less than Mamba's scan, whose rates differ by channel
and state: `per_head` makes of Mamba's inputs those on which both compute the same.
Letters: H heads of P channels, c chunks of l steps.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.scan import selective_scan

CHUNK, HEAD = 64, 64  # the paper's sizes


def per_head(delta: Tensor, A: Tensor, delta_bias: Tensor) -> tuple[Tensor, Tensor]:
    """Steps (B, L, H) and rates (H,): means over the channels and states of each head."""
    head = min(HEAD, A.shape[0])
    steps = F.softplus(delta + delta_bias).unflatten(-1, (-1, head)).mean(-1)
    return steps, A.unflatten(0, (-1, head)).mean((1, 2))


def scan(u, delta, A, B, C, D, z, delta_bias) -> Tensor:
    """y (B, L, D) on the tensors of `selective_scan`, by `per_head`."""
    steps, rates = per_head(delta, A, delta_bias)
    x = u.unflatten(-1, (steps.shape[-1], -1))
    y = _chunked(x * steps[..., None], steps * rates, B, C)
    return (y.flatten(2) + D * u) * F.silu(z)


def same_by_selective_scan(u, delta, A, B, C, D, z, delta_bias, backend: str) -> Tensor:
    """What `scan` computes, by Mamba's scan with equal rates and steps throughout a head."""
    steps, rates = per_head(delta, A, delta_bias)
    head = u.shape[-1] // steps.shape[-1]
    steps, rates = steps.repeat_interleave(head, -1), rates.repeat_interleave(head)[:, None].expand_as(A)
    return selective_scan(u, steps, rates, B, C, D, z, delta_softplus=False, backend=backend)


def _chunked(x: Tensor, a: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """x (B, L, H, P) and log decays a (B, L, H), B and C (B, L, N) -> y (B, L, H, P)."""
    length = x.shape[1]
    short = -length % CHUNK
    x, a, B, C = (F.pad(t, (0, 0) * (t.dim() - 2) + (0, short)).unflatten(1, (-1, CHUNK)) for t in (x, a, B, C))
    a = a.permute(0, 3, 1, 2)  # (B, H, c, l)
    total = a.cumsum(-1)
    # within chunks
    y = torch.einsum("bcln,bcsn,bhcls,bcshp->bclhp", C, B, torch.exp(_segments(a)), x)
    # from chunk to chunk
    states = torch.einsum("bcln,bhcl,bclhp->bchpn", B, torch.exp(total[..., -1:] - total), x)
    states = torch.cat([torch.zeros_like(states[:, :1]), states], 1)
    carried = torch.exp(_segments(F.pad(total[..., -1], (1, 0))))
    states = torch.einsum("bhzc,bchpn->bzhpn", carried, states)[:, :-1]
    y = y + torch.einsum("bcln,bchpn,bhcl->bclhp", C, states, torch.exp(total))
    return y.flatten(1, 2)[:, :length]


def _segments(a: Tensor) -> Tensor:
    """(..., T, T): the sum of a over (s, t], -inf above the diagonal."""
    total = a.cumsum(-1)
    between = total[..., :, None] - total[..., None, :]
    return between.masked_fill(~torch.ones_like(between, dtype=torch.bool).tril(), -torch.inf)
