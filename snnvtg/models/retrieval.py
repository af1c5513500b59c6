"""What models share that find videos: vectors to be searched by, each video of a batch once, where in it the best lies.

Q queries · V videos of M segments or L clips · d width.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from snnvtg.records import Batch, Prediction


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


@dataclass(frozen=True)
class PairScores:
    """Q queries beside V videos of M clips and one vector of all their frames: unnormalised products and cosines."""

    clip_dots: Tensor
    """(Q, V, M)"""
    clip_cosines: Tensor
    """(Q, V, M)"""
    frame_dots: Tensor
    """(Q, V)"""
    frame_cosines: Tensor
    """(Q, V)"""

    @classmethod
    def of_vectors(cls, queries: Tensor, clips: Tensor, frames: Tensor, mask: Tensor | None = None) -> "PairScores":
        """queries (Q, d), clips (V, M, d), frames (V, d): vectors that know nothing of one another.

        mask (V, M): clips that are none match with −inf.
        """
        clip_dots = torch.einsum("qd,vmd->qvm", queries, clips)
        scores = cls._normed(clip_dots, queries @ frames.T, _norm(queries).unsqueeze(1), _norm(clips), _norm(frames))
        if mask is None:
            return scores
        none = ~mask  # after the division, whose gradient would be NaN
        return replace(
            scores,
            clip_dots=scores.clip_dots.masked_fill(none, -torch.inf),
            clip_cosines=scores.clip_cosines.masked_fill(none, -torch.inf),
        )

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


def best_moments(saliency: Tensor, scores: Tensor, batch: Batch) -> list[Prediction]:
    """One window per query, of a model that has seen no window in training.

    saliency (B, L): how well each clip matches; scores (B,): how well the video does, which compares between videos
    and becomes the window's. The window claims no more than this: the run of clips around the best one that lie above
    the middle between the best and the mean.
    """
    saliency, scores, answers = saliency.detach().float().cpu(), scores.detach(), []
    for row, query in enumerate(batch.queries):
        own = saliency[row, : int(batch.video_mask[row].sum())]
        first, stop = best_run(own)
        window = (
            min(first * batch.clip_length, query.duration),
            min(stop * batch.clip_length, query.duration),
            float(scores[row]),
        )
        answers.append(Prediction(query.qid, query.query, query.vid, (window,), tuple(own.tolist())))
    return answers


def distinct_videos(batch: Batch) -> tuple[Tensor, Tensor]:
    """Rows (V,) of the batch's distinct videos, and which of them each query's is (B,).

    Two rows are one video where they have its vid and its features: windows of a long video share the vid alone.
    """
    first: list[int] = []
    owner: list[int] = []
    places: dict[str, list[int]] = {}
    for row, query in enumerate(batch.queries):
        known = places.setdefault(query.vid, [])
        same = next((place for place in known if torch.equal(batch.video[first[place]], batch.video[row])), None)
        if same is None:
            same = len(first)
            known.append(same)
            first.append(row)
        owner.append(same)
    return tuple(torch.tensor(rows, device=batch.video.device) for rows in (first, owner))
