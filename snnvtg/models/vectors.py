"""Videos as vectors to be searched among: what a store keeps of them, and where in one of them the best ones lie."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class VideoVectors:
    """V videos of M segments each, which cover equal shares of their video in order.

    A video's score for the query vector q is the largest product of q and one of its segments. What a model knows of a
    whole video is in every segment of it: w·c_i·q + (1 − w)·f·q has its largest value where (w c_i + (1 − w) f)·q has.
    """

    segments: Tensor
    """(V, M, d)"""
    mask: Tensor
    """(V, M) bool, True where real, padding at the end"""

    def scores(self, queries: Tensor) -> Tensor:
        """queries (Q, d) -> (Q, V)."""
        products = torch.einsum("qd,vmd->qvm", queries, self.segments)
        return products.masked_fill(~self.mask, -torch.inf).amax(-1)


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
