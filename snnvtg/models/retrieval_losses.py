"""What models are trained with that find videos: InfoNCE and triplets, both ways, by clips and by whole videos."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from snnvtg.errors import InputError
from snnvtg.models.losses import both_ways, info_nce, triplet_loss
from snnvtg.models.ranges import check_weights
from snnvtg.models.retrieval import PairScores


@dataclass(frozen=True)
class RetrievalLossConfig:
    """Weights and constants; the negatives are the other videos, and the other videos' queries, of a batch."""

    clip_nce: float = 1.0
    """weight of InfoNCE between queries and the best clip of each video, both directions"""
    frame_nce: float = 1.0
    """the same for the vector of the whole video"""
    nce_logits: Literal["dot", "cosine"] = "cosine"
    """dot: InfoNCE of unnormalised products; cosine: of cosines over `temperature`"""
    temperature: float = 0.07
    """of InfoNCE with cosines"""
    triplet: float = 1.0
    margin: float = 0.2
    """of the triplet loss, on cosines"""
    hard_negatives_from: int = 0
    """epoch, counted from 0, from which a triplet's negative is the best-scored one instead of every other"""

    def __post_init__(self):
        check_weights(self)
        if not self.temperature > 0:
            raise InputError(f"loss.temperature: expected a number above 0, got {self.temperature}")


def retrieval_losses(
    match: PairScores, positive: Tensor, config: RetrievalLossConfig, hardest: bool
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
