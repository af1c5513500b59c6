"""The losses of dense heads, SpikeMba's of Section 3.5 made to train, and the foreground loss its paper leaves out."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.models.clipwise.output import ClipwiseOutput
from snnvtg.models.losses import focal_loss, masked_mean
from snnvtg.models.ranges import check_weights
from snnvtg.records import Batch


@dataclass(frozen=True)
class ClipwiseLossConfig:
    """Weights (α) and forms of the losses; the paper names the weights and gives none."""

    foreground: float = 1.0
    proposal: float = 1.0
    """α_s"""
    entropy: float = 1.0
    """α_e"""
    overlap: float = 0.0
    """weight of 1 − IoU, not in the paper"""
    focal_alpha: float = 0.5
    focal_gamma: float = 2.0
    proposal_units: Literal["clips", "normalised"] = "clips"
    entropy_negatives: Literal["rolled", "batch"] = "rolled"
    entropy_temperature: float = 0.5
    """β_e"""
    entropy_levels: Literal["sum", "mean"] = "sum"
    """over the distinct rating levels of a batch; printed: sum, which weighs a data set by how finely it is rated"""

    def __post_init__(self):
        check_weights(self)
        if not self.entropy_temperature > 0:
            raise InputError(f"loss.entropy_temperature: expected a number above 0, got {self.entropy_temperature}")


def clipwise_losses(output: ClipwiseOutput, batch: Batch, config: ClipwiseLossConfig) -> dict[str, Tensor]:
    """Every loss term, weighted.

    α_s L_s + α_e L_e as printed have nothing that trains a window's confidence: `foreground` is a named addition, and
    so is `overlap`.
    """
    terms = {
        "foreground": config.foreground * foreground_loss(output, batch, config),
        "proposal": config.proposal * proposal_loss(output, batch, config),
        "entropy": config.entropy * entropy_loss(output, batch, config),
    }
    if config.overlap:
        terms["overlap"] = config.overlap * overlap_loss(output, batch)
    return terms


def foreground_loss(output: ClipwiseOutput, batch: Batch, config: ClipwiseLossConfig) -> Tensor:
    """Focal loss on whether a clip lies inside the moment, mean over the valid clips."""
    options = {"alpha": config.focal_alpha, "gamma": config.focal_gamma}
    loss = focal_loss(output.foreground_logits, batch.foreground, batch.video_mask, **options)
    return 2 * loss  # alpha 0.5 and gamma 0 are then plain cross-entropy


def proposal_loss(output: ClipwiseOutput, batch: Batch, config: ClipwiseLossConfig) -> Tensor:
    """L_s: what the paper calls L1 and defines as smooth-L1, between boundaries, on the clips of the moment.

    In clip units by default; in 0…1 coordinates (`normalised`) the difference never leaves the quadratic part.
    """
    difference = output.boundaries.float() - batch.boundaries
    if config.proposal_units == "normalised":
        difference = difference / batch.video_mask.sum(1)[:, None, None]
    loss = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none").sum(-1)
    return masked_mean(loss, batch.foreground)


def overlap_loss(output: ClipwiseOutput, batch: Batch) -> Tensor:
    """1 − IoU of the window a clip predicts and its own, on the clips of the moment (UniVTG's addition to L_s)."""
    predicted, target = output.boundaries.float(), batch.boundaries
    shared = torch.minimum(predicted, target).sum(-1).clamp(min=0)
    union = torch.maximum(predicted, target).sum(-1).clamp(min=1e-6)
    return masked_mean(1 - shared / union, batch.foreground)


def entropy_loss(output: ClipwiseOutput, batch: Batch, config: ClipwiseLossConfig) -> Tensor:
    """L_e: clips of a saliency level and above against those below, and against the same clips under other queries.

    The sum, or mean, runs over the distinct positive levels. The other queries are the next one of the batch (`rolled`)
    or all of it (`batch`); where another query is the same text, its clips are no negatives.
    """
    mask, saliency = batch.video_mask, batch.saliency
    own = output.saliency.float() / config.entropy_temperature
    everything = torch.cat([own.masked_fill(~mask, -torch.inf), _foreign(output, batch, config)], 1).logsumexp(1)
    losses = []
    for level in torch.unique(saliency[mask & (saliency > 0)]):
        positive = mask & (saliency >= level)
        some = positive.any(1)
        best = own.masked_fill(~positive, -torch.inf).logsumexp(1)
        losses.append(masked_mean(everything.where(some, 0) - best.where(some, 0), some))
    if not losses:
        return own.sum() * 0
    terms = torch.stack(losses)
    return terms.mean() if config.entropy_levels == "mean" else terms.sum()


def _foreign(output: ClipwiseOutput, batch: Batch, config: ClipwiseLossConfig) -> Tensor:
    """Cosines of each sample's clips and other queries over the temperature, −inf where there is no negative."""
    size = len(batch)
    clips, queries = F.normalize(output.clips.float(), dim=-1), F.normalize(output.query.float(), dim=-1)
    shifts = range(1, size) if config.entropy_negatives == "batch" else range(1, min(2, size))
    if not shifts:
        return clips.new_full((size, 1), -torch.inf)
    place = torch.arange(size, device=clips.device)
    others = torch.stack([place.roll(shift) for shift in shifts], 1)  # (B, K)
    cosine = torch.einsum("bld,bkd->bkl", clips, queries[others]) / config.entropy_temperature
    text = sentence_numbers(batch)
    differs = (text[others] != text.unsqueeze(1)).unsqueeze(-1)
    return cosine.masked_fill(~(differs & batch.video_mask.unsqueeze(1)), -torch.inf).flatten(1)


def sentence_numbers(batch: Batch) -> Tensor:
    """A number (B,) for each query, the same for the same sentence."""
    number = {text: i for i, text in enumerate({query.query: None for query in batch.queries})}
    return torch.tensor([number[query.query] for query in batch.queries], device=batch.video.device)
