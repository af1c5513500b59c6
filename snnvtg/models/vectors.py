"""Videos as directions to be searched among: what a store keeps of them, and how a query's direction scores them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class VideoVectors:
    """V videos of M segments each; a segment covers an equal share of its video, in order.

    A video's score for a query's direction q is clip_weight · max over its segments of clip · q, plus
    (1 − clip_weight) · whole · q.
    """

    clips: Tensor
    """(V, M, d) of unit length"""
    clip_mask: Tensor
    """(V, M) bool, True where real, padding at the end"""
    whole: Tensor
    """(V, d) of unit length: the video at large"""
    clip_weight: float

    def scores(self, queries: Tensor) -> Tensor:
        """queries (Q, d) of unit length -> (Q, V)."""
        clips = torch.einsum("qd,vmd->qvm", queries, self.clips).masked_fill(~self.clip_mask, -torch.inf)
        return self.clip_weight * clips.amax(-1) + (1 - self.clip_weight) * queries @ self.whole.T


def best_run(scores: Tensor) -> tuple[int, int]:
    """The positions [first, stop) around the best of scores (L,) that are above the middle of the best and the mean."""
    best = int(scores.argmax())
    below = scores < (scores[best] + scores.mean()) / 2
    first, stop = best, best + 1
    while first > 0 and not below[first - 1]:
        first -= 1
    while stop < len(scores) and not below[stop]:
        stop += 1
    return first, stop
