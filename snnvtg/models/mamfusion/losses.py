"""The losses of MamFusion: those of retrieval, fused and before fusion, and the diversity of one video's queries."""

import torch
from torch import Tensor

from snnvtg.models.losses import diversity_loss
from snnvtg.models.mamfusion.config import MamFusionLossConfig
from snnvtg.models.mamfusion.output import MamFusionOutput
from snnvtg.models.retrieval_losses import retrieval_losses


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
