"""Losses that several models are trained with, on scores and similarities."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask`, of the same shape, is true; 0 where nothing is."""
    return values.where(mask, 0).sum() / mask.sum().clamp(min=1)


def focal_loss(logits: Tensor, target: Tensor, mask: Tensor, *, alpha: float = 0.5, gamma: float = 2.0) -> Tensor:
    """Binary focal loss (Lin et al., 2017, Eq. 5), mean over the true places of `mask`; three tensors of one shape.

    `alpha` weighs what is in, 1 − alpha what is out; `target` is bool. With gamma 0 it is weighted cross-entropy.
    """
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
    confidence = torch.where(target, logits.sigmoid(), 1 - logits.sigmoid())
    weight = torch.where(target, alpha, 1 - alpha)
    return masked_mean(weight * (1 - confidence) ** gamma * entropy, mask)


def info_nce(similarity: Tensor, positive: Tensor, temperature: float) -> Tensor:
    """−log of the softmax mass, over the columns, of each row's positives; mean over the rows that have one.

    similarity (Q, V), already free of what may not count (−inf there); positive (Q, V) bool. With one positive per row
    this is InfoNCE (van den Oord et al., 2018); the other direction is that of the transposes.
    """
    logits = similarity.float() / temperature
    some = positive.any(1)
    best = logits.masked_fill(~positive, -torch.inf).logsumexp(1)
    return masked_mean(torch.where(some, logits.logsumexp(1) - best, 0), some)


def triplet_loss(similarity: Tensor, positive: Tensor, margin: float, *, hardest: bool = False) -> Tensor:
    """max(0, margin + s⁻ − s⁺) between each row's positives and its negatives (Faghri et al., 2018, Eq. 5 and 6).

    similarity (Q, V), positive (Q, V) bool. Mean over all such triplets, or, with `hardest`, over the rows with the
    best-scored negative of each only; a row without both adds nothing.
    """
    similarity = similarity.float()
    if hardest:
        worst = similarity.masked_fill(positive, -torch.inf).amax(1, keepdim=True)
        counted = positive & torch.isfinite(worst)
        return masked_mean((margin + worst.where(counted, 0) - similarity).clamp(min=0), counted)
    violation = (margin + similarity.unsqueeze(1) - similarity.unsqueeze(2)).clamp(min=0)  # (Q, positive, negative)
    return masked_mean(violation, positive.unsqueeze(2) & ~positive.unsqueeze(1))


def both_ways(loss: Callable[..., Tensor], similarity: Tensor, positive: Tensor, **options: Any) -> Tensor:
    """A loss of queries among videos and of videos among queries, summed; similarity and positive (Q, V)."""
    return loss(similarity, positive, **options) + loss(similarity.T, positive.T, **options)


def diversity_loss(queries: Tensor, same_video: Tensor, *, scale: float, margin: float) -> Tensor:
    """Σ_i log(1 + Σ_j exp(scale (cos_ij + margin))) / B, j over the other queries of the video of i.

    queries (B, d), same_video (B, B) bool.
    """
    directions = F.normalize(queries.float(), dim=-1)
    exponents = scale * (directions @ directions.T + margin)
    others = same_video & ~torch.eye(len(queries), dtype=torch.bool, device=queries.device)
    exponents = exponents.masked_fill(~others, -torch.inf)
    nothing = exponents.new_zeros(len(queries), 1)  # the 1 of the logarithm
    return torch.cat([nothing, exponents], 1).logsumexp(1).mean()
