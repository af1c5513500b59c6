"""The five losses of R²-Tuning: Eq. 10 to 13 and 15."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.models.losses import focal_loss, info_nce, masked_mean
from snnvtg.models.r2_tuning.output import R2Output
from snnvtg.models.r2_tuning.pyramid import assign
from snnvtg.models.ranges import check_weights
from snnvtg.records import Batch


@dataclass(frozen=True)
class R2LossConfig:
    """Weights (λ) and forms of the losses; the defaults are those printed, the released code's stand beside them."""

    foreground: float = 1.0
    """λ_cls"""
    boundary: float = 0.1
    """λ_reg; released code: 0.2"""
    saliency: float = 0.1
    """λ_sal"""
    video: float = 0.1
    """λ_video"""
    layer: float = 0.1
    """λ_layer"""
    focal_alpha: float | None = 0.9
    """weight of a foreground point against 1 − α of the others; none, as in the released code: both count alike"""
    focal_gamma: float = 2.0
    focal_average: Literal["foreground", "points"] = "foreground"
    """over which points the foreground loss is averaged; the paper does not say, foreground is Lin et al.'s"""
    temperature: float = 0.07
    """τ of the three contrastive losses"""
    saliency_positives: Literal["sampled", "all"] = "sampled"
    """one clip drawn for each query, as in the paper, or the mean over all that could be drawn"""
    saliency_negatives: Literal["video", "batch"] = "video"
    """clips of lower saliency, as in the paper, or also the video's clips under the other queries of the batch"""

    def __post_init__(self):
        check_weights(self)
        if self.focal_alpha is not None and self.focal_alpha > 1:
            raise InputError(f"loss.focal_alpha: expected a share from 0 to 1 or none, got {self.focal_alpha}")
        if not self.temperature > 0:
            raise InputError(f"loss.temperature: expected a number above 0, got {self.temperature}")


def r2_losses(output: R2Output, batch: Batch, config: R2LossConfig, radius: float) -> dict[str, Tensor]:
    """Every loss term, weighted; `radius` in strides, see `pyramid.assign`."""
    inside, distances = targets(output, batch, radius)
    frames, queries = positive_frames(output, batch)
    alone = ~torch.eye(len(batch), dtype=torch.bool, device=frames.device) & same_text(batch, frames.device)
    return {
        "foreground": config.foreground * foreground_loss(output, inside, config),
        "boundary": config.boundary * boundary_loss(output, inside, distances),
        "saliency": config.saliency * saliency_loss(output, batch, config),
        "video": config.video * video_loss(frames, queries, alone, config.temperature),
        "layer": config.layer * layer_loss(frames, queries, config.temperature),
    }


def targets(output: R2Output, batch: Batch, radius: float) -> tuple[Tensor, Tensor]:
    """Whether each point answers for a moment (B, M), and its distances in strides (B, M, 2)."""
    rows = []
    for query in batch.queries:
        windows = torch.tensor(query.relevant_windows, device=output.points.place.device).reshape(-1, 2)
        rows.append(assign(output.points, windows / batch.clip_length, radius))
    inside, distances = (torch.stack(part) for part in zip(*rows, strict=True))
    return inside & output.point_mask, distances


def foreground_loss(output: R2Output, inside: Tensor, config: R2LossConfig) -> Tensor:
    """Eq. 12, on the points of every level."""
    alpha, scale = (0.5, 2.0) if config.focal_alpha is None else (config.focal_alpha, 1.0)
    options = {"alpha": alpha, "gamma": config.focal_gamma}
    loss = scale * focal_loss(output.class_logits, inside, output.point_mask, **options)
    if config.focal_average == "points":
        return loss
    return loss * output.point_mask.sum() / inside.sum().clamp(min=1)


def boundary_loss(output: R2Output, inside: Tensor, distances: Tensor) -> Tensor:
    """Eq. 13: L1 of both distances, in strides, mean over the foreground points."""
    return masked_mean((output.distances.float() - distances).abs().sum(-1), inside)


def saliency_loss(output: R2Output, batch: Batch, config: R2LossConfig) -> Tensor:
    """Eq. 15: a clip of some saliency against the clips of less."""
    score, truth = output.saliency.float() / config.temperature, batch.saliency
    positive = batch.video_mask & (truth > 0)
    if config.saliency_positives == "sampled":
        positive = _drawn(positive)
    less = (truth.unsqueeze(1) < truth.unsqueeze(2)) & batch.video_mask.unsqueeze(1)  # (B, clip, those below it)
    below = score.unsqueeze(1).masked_fill(~less, -torch.inf)
    if config.saliency_negatives == "batch":
        others = _foreign(output, batch).flatten(1) / config.temperature
        below = torch.cat([below, others.unsqueeze(1).expand(-1, below.shape[1], -1)], 2)
    everything = torch.cat([score.unsqueeze(2), below], 2).logsumexp(2)
    return masked_mean(everything - score, positive)


def positive_frames(output: R2Output, batch: Batch) -> tuple[Tensor, Tensor]:
    """Eq. 9: the mean class token of the moment's clips, and the query (both B, K, C), of length 1."""
    weight = batch.foreground.to(output.frames.dtype)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1)
    frames = torch.einsum("bl,bklc->bkc", weight, output.frames).float()
    return F.normalize(frames, dim=-1), F.normalize(output.queries.float(), dim=-1)


def video_loss(frames: Tensor, queries: Tensor, excluded: Tensor, temperature: float) -> Tensor:
    """Eq. 10: moment and query against those of the other samples, layer by layer; both directions, as CLIP (Eq. 18).

    frames, queries (B, K, C); `excluded` (B, B) are pairs that count neither way. The paper's index b would contrast
    layers; its words say samples.
    """
    similarity = torch.einsum("ikc,jkc->kij", frames, queries).masked_fill(excluded, -torch.inf)
    return _both_ways(similarity, temperature)


def layer_loss(frames: Tensor, queries: Tensor, temperature: float) -> Tensor:
    """Eq. 11: moment and query of a layer against those of the other layers, sample by sample; 0 for one layer."""
    return _both_ways(torch.einsum("bic,bjc->bij", frames, queries), temperature)


def same_text(batch: Batch, device: torch.device) -> Tensor:
    """(B, B): whether two samples ask the same words."""
    number = {text: i for i, text in enumerate(dict.fromkeys(query.query for query in batch.queries))}
    text = torch.tensor([number[query.query] for query in batch.queries], device=device)
    return text.unsqueeze(0) == text.unsqueeze(1)


def _both_ways(similarity: Tensor, temperature: float) -> Tensor:
    """InfoNCE of (G, Q, Q) with its positives on the diagonals, mean of both directions and of all groups."""
    paired = torch.eye(similarity.shape[1], dtype=torch.bool, device=similarity.device)
    ways = [info_nce(way, paired, temperature) for group in similarity for way in (group, group.t())]
    return torch.stack(ways).mean()


def _drawn(mask: Tensor) -> Tensor:
    """One true place of each row of `mask` (B, L), drawn at random; none in a row without."""
    draw = torch.rand(mask.shape, device=mask.device).masked_fill(~mask, -1.0)
    return F.one_hot(draw.argmax(1), mask.shape[1]).bool() & mask


def _foreign(output: R2Output, batch: Batch) -> Tensor:
    """Cosine of each video's clips with the other queries of the batch (B, B, L), −inf where it is no negative."""
    clips = F.normalize(output.clips.float(), dim=-1)
    cosine = torch.einsum("bld,qd->bql", clips, F.normalize(output.query.float(), dim=-1))
    differs = ~same_text(batch, clips.device).unsqueeze(-1) & batch.video_mask.unsqueeze(1)
    return cosine.masked_fill(~differs, -torch.inf)
