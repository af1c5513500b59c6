"""The losses of Section 3.5, made to train, and the foreground loss the paper leaves out."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.models.output import GroundingOutput
from snnvtg.records import Batch
from snnvtg.training.config import LossConfig


def grounding_losses(
    output: GroundingOutput, batch: Batch, config: LossConfig, rates: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Every loss term, weighted; their sum is L_all.

    L_all = α_c L_con + α_s L_s + α_e L_e as printed has nothing that trains a window's confidence: `foreground` is a
    named addition, and so are `overlap` and `rate`, which needs the `recorded_rates` of the model's run. A model
    without spikes has no contrastive and no rate loss.
    """
    terms = {
        "foreground": config.foreground * foreground_loss(output, batch, config),
        "proposal": config.proposal * proposal_loss(output, batch, config),
        "entropy": config.entropy * entropy_loss(output, batch, config),
    }
    if config.overlap:
        terms["overlap"] = config.overlap * overlap_loss(output, batch)
    if output.spikes and config.contrastive:
        terms["contrastive"] = config.contrastive * contrastive_loss(output, batch, config)
    if output.spikes and config.rate:
        if not rates:
            raise InputError("loss.rate: expected the firing rates of the run; run the model within recorded_rates")
        terms["rate"] = config.rate * rate_loss(rates, config)
    return terms


def foreground_loss(output: GroundingOutput, batch: Batch, config: LossConfig) -> Tensor:
    """Focal loss on whether a clip lies inside the moment, mean over the valid clips."""
    target = batch.foreground.float()
    logits = output.foreground_logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    confidence = torch.where(batch.foreground, logits.sigmoid(), 1 - logits.sigmoid())
    weight = torch.where(batch.foreground, config.focal_alpha, 1 - config.focal_alpha)
    loss = weight * (1 - confidence) ** config.focal_gamma * entropy
    return _masked_mean(loss, batch.video_mask) * 2  # alpha 0.5 and gamma 0 are then plain cross-entropy


def proposal_loss(output: GroundingOutput, batch: Batch, config: LossConfig) -> Tensor:
    """L_s: what the paper calls L1 and defines as smooth-L1, between boundaries, on the clips of the moment.

    In clip units by default; in 0…1 coordinates (`normalised`) the difference never leaves the quadratic part.
    """
    difference = output.boundaries.float() - batch.boundaries
    if config.proposal_units == "normalised":
        difference = difference / batch.video_mask.sum(1)[:, None, None]
    loss = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none").sum(-1)
    return _masked_mean(loss, batch.foreground)


def overlap_loss(output: GroundingOutput, batch: Batch) -> Tensor:
    """1 − IoU of the window a clip predicts and its own, on the clips of the moment (UniVTG's addition to L_s)."""
    predicted, target = output.boundaries.float(), batch.boundaries
    shared = torch.minimum(predicted, target).sum(-1).clamp(min=0)
    union = torch.maximum(predicted, target).sum(-1).clamp(min=1e-6)
    return _masked_mean(1 - shared / union, batch.foreground)


def contrastive_loss(output: GroundingOutput, batch: Batch, config: LossConfig) -> Tensor:
    """L_con between the spikes of the moment and the queries of the batch.

    `infonce` draws the matching pair together. `printed`, −log(1 − softmax), pushes it apart and is infinite where a
    batch holds one sample, hence clamped; kept to show what it does.
    """
    rate = output.spikes[-1].mean(0).float()
    weight = batch.foreground.float()
    pooled = (rate * weight.unsqueeze(-1)).sum(1) / weight.sum(1, keepdim=True).clamp(min=1)
    cosine = F.normalize(pooled, dim=-1) @ F.normalize(output.query.float(), dim=-1).T
    similarity = cosine / config.contrastive_temperature
    target = torch.arange(len(similarity), device=similarity.device)
    if config.contrastive_form == "infonce":
        return F.cross_entropy(similarity, target)
    matching = similarity.softmax(1).diagonal()
    return -torch.log((1 - matching).clamp(min=1e-6)).mean()


def rate_loss(rates: Mapping[str, Tensor], config: LossConfig) -> Tensor:
    """Mean over the LIF layers of max(0, rate − target)², the rate being spikes per neuron and step of the layer.

    The upper-bound form of Cramer et al. (2020) and Zenke & Vogels (2021), on layers as wholes. One-sided, for what it
    is after is energy: a layer below the target costs less, and the two-sided (rate − target)² of Bellec et al. (2018)
    would make it fire. All four layers of a detector count: the spikes of Q, K and V drive the attention products,
    the output's feed MRM.
    """
    return torch.stack(list(rates.values())).sub(config.rate_target).clamp(min=0).square().mean()


def entropy_loss(output: GroundingOutput, batch: Batch, config: LossConfig) -> Tensor:
    """L_e: clips of a saliency level and above against those below, and against the same clips under other queries.

    The sum runs over the distinct positive levels. The other queries are the next one of the batch (`rolled`) or all
    of it (`batch`); where another query is the same text, its clips are no negatives.
    """
    mask, saliency = batch.video_mask, batch.saliency
    own = output.saliency.float() / config.entropy_temperature
    everything = torch.cat([own.masked_fill(~mask, -torch.inf), _foreign(output, batch, config)], 1).logsumexp(1)
    losses = []
    for level in torch.unique(saliency[mask & (saliency > 0)]):
        positive = mask & (saliency >= level)
        some = positive.any(1)
        best = own.masked_fill(~positive, -torch.inf).logsumexp(1)
        losses.append(_masked_mean(everything.where(some, 0) - best.where(some, 0), some))
    return torch.stack(losses).sum() if losses else own.sum() * 0


def _foreign(output: GroundingOutput, batch: Batch, config: LossConfig) -> Tensor:
    """Cosines of each sample's clips and other queries over the temperature, −inf where there is no negative."""
    size = len(batch)
    clips, queries = F.normalize(output.clips.float(), dim=-1), F.normalize(output.query.float(), dim=-1)
    shifts = range(1, size) if config.entropy_negatives == "batch" else range(1, min(2, size))
    if not shifts:
        return clips.new_full((size, 1), -torch.inf)
    place = torch.arange(size, device=clips.device)
    others = torch.stack([place.roll(shift) for shift in shifts], 1)  # (B, K)
    cosine = torch.einsum("bld,bkd->bkl", clips, queries[others]) / config.entropy_temperature
    number = {text: i for i, text in enumerate({query.query: None for query in batch.queries})}
    text = torch.tensor([number[query.query] for query in batch.queries], device=clips.device)
    differs = (text[others] != text.unsqueeze(1)).unsqueeze(-1)
    return cosine.masked_fill(~(differs & batch.video_mask.unsqueeze(1)), -torch.inf).flatten(1)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
