"""What MamFusion returns: how every query of a batch matches every video of it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from snnvtg.models.retrieval import PairScores
from snnvtg.models.shares import OF_VIDEOS


@dataclass(frozen=True)
class EncodedVideos:
    """V videos as the branches give them, before any query is known."""

    clips: Tensor
    """V_c (V, M, d)"""
    frames: Tensor
    """V_v (V, d)"""


@dataclass(frozen=True)
class EncodedBatch:
    """B queries and their V videos, before any meets another."""

    words: Tensor
    """Q (B, N, d)"""
    text_mask: Tensor
    """(B, N) bool"""
    videos: EncodedVideos = field(metadata=OF_VIDEOS)


@dataclass(frozen=True)
class MamFusionOutput:
    """B queries beside the V videos of their batch."""

    owner: Tensor
    """(B,) int64: which of the V videos is the query's own"""
    match: PairScores
    """by the vectors that a search compares"""
    unfused: PairScores | None
    """by the vectors before fusion; None where there is no fusion of pairs"""
    queries: Tensor
    """(B, d): what the diversity loss keeps apart"""

    def own(self, values: Tensor) -> Tensor:
        """values (B, V, ...) of each query's own video, (B, ...)."""
        return values[torch.arange(len(values), device=values.device), self.owner]
