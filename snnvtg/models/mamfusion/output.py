"""What MamFusion returns: how every query of a batch matches every video of it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class EncodedVideos:
    """V videos as the branches give them, before any query is known."""

    clips: Tensor
    """V_c (V, M, d)"""
    frames: Tensor
    """V_v (V, d)"""


@dataclass(frozen=True)
class PairScores:
    """Q queries beside V videos: unnormalised products and cosines."""

    clip_dots: Tensor
    """(Q, V, M)"""
    clip_cosines: Tensor
    """(Q, V, M)"""
    frame_dots: Tensor
    """(Q, V)"""
    frame_cosines: Tensor
    """(Q, V)"""

    @classmethod
    def of_vectors(cls, queries: Tensor, clips: Tensor, frames: Tensor) -> "PairScores":
        """queries (Q, d), clips (V, M, d), frames (V, d): vectors that know nothing of one another."""
        clip_dots = torch.einsum("qd,vmd->qvm", queries, clips)
        return cls._normed(clip_dots, queries @ frames.T, _norm(queries).unsqueeze(1), _norm(clips), _norm(frames))

    @classmethod
    def of_pairs(cls, queries: Tensor, clips: Tensor, frames: Tensor) -> "PairScores":
        """queries (Q, V, d), clips (Q, V, M, d), frames (V, d): vectors made for each pair."""
        clip_dots = (clips @ queries.unsqueeze(-1)).squeeze(-1)
        return cls._normed(clip_dots, (frames * queries).sum(-1), _norm(queries), _norm(clips), _norm(frames))

    @classmethod
    def _normed(
        cls, clip_dots: Tensor, frame_dots: Tensor, queries: Tensor, clips: Tensor, frames: Tensor
    ) -> "PairScores":
        return cls(clip_dots, clip_dots / (queries.unsqueeze(-1) * clips), frame_dots, frame_dots / (queries * frames))

    def score(self, clip_weight: float) -> Tensor:
        """How well each video answers each query (Q, V)."""
        return clip_weight * self.clip_cosines.amax(-1) + (1 - clip_weight) * self.frame_cosines


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=-1).clamp(min=1e-8)


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
