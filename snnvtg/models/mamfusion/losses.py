"""The losses of MamFusion: InfoNCE and triplets of both branches, and the diversity of one video's queries."""

import torch
from torch import Tensor

from snnvtg.models.losses import both_ways, diversity_loss, info_nce, triplet_loss
from snnvtg.models.mamfusion.config import MamFusionLossConfig
from snnvtg.models.mamfusion.output import MamFusionOutput, PairScores


def mamfusion_losses(output: MamFusionOutput, config: MamFusionLossConfig, epoch: int) -> dict[str, Tensor]:
    """Every term, weighted; from `hard_negatives_from` on, triplets meet the best-scored negative only."""
    videos = torch.arange(output.match.frame_dots.shape[1], device=output.owner.device)
    positive = output.owner.unsqueeze(1) == videos  # (B, V)
    hardest = epoch >= config.hard_negatives_from
    terms = retrieval_losses(output.match, positive, config, hardest)
    if output.unfused is not None and config.unfused:
        unfused = retrieval_losses(output.unfused, positive, config, hardest)
        terms |= {f"unfused_{name}": config.unfused * value for name, value in unfused.items()}
    same_video = positive.float() @ positive.float().T > 0
    options = {"scale": config.diversity_scale, "margin": config.diversity_margin}
    return terms | {"diversity": config.diversity * diversity_loss(output.queries, same_video, **options)}


def retrieval_losses(
    match: PairScores, positive: Tensor, config: MamFusionLossConfig, hardest: bool
) -> dict[str, Tensor]:
    """InfoNCE and triplets, from queries to videos and back, of each branch; positive (B, V)."""
    terms = {}
    for branch, weight, dots, cosines in (
        ("clip", config.clip_nce, match.clip_dots.amax(-1), match.clip_cosines.amax(-1)),
        ("frame", config.frame_nce, match.frame_dots, match.frame_cosines),
    ):
        logits, temperature = (dots, 1.0) if config.nce_logits == "dot" else (cosines, config.temperature)
        nce = both_ways(info_nce, logits, positive, temperature=temperature)
        triplets = both_ways(triplet_loss, cosines, positive, margin=config.margin, hardest=hardest)
        terms |= {f"{branch}_nce": weight * nce, f"{branch}_triplet": config.triplet * triplets}
    return terms
