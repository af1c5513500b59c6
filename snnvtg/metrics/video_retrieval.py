"""Partially relevant video retrieval: which of many videos holds the moment a query asks for."""

from collections.abc import Sequence

import numpy as np

from snnvtg.errors import InputError

RANKS = (1, 5, 10, 100)


def video_retrieval_metrics(scores: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    """R@1, R@5, R@10, R@100 and their sum SumR, in percent, unrounded.

    scores (Q, V) of every video for every query; relevant (Q, V) bool, at least one true a row.
    """
    ranks = best_ranks(scores, relevant)
    figures = {f"R@{rank}": 100.0 * float(np.mean(ranks <= rank)) for rank in RANKS}
    return figures | {"SumR": sum(figures.values())}


def best_ranks(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Rank (Q,), from 1, of each query's best-scored relevant video.

    Ties are read pessimistically: an irrelevant video of the same score ranks above.
    """
    scores, relevant = np.asarray(scores, dtype=np.float64), np.asarray(relevant, dtype=bool)
    if scores.ndim != 2 or scores.shape != relevant.shape:
        raise InputError(f"scores {scores.shape} and relevant {relevant.shape}; expected the same (queries, videos)")
    if not np.isfinite(scores).all():
        raise InputError("scores hold NaN or infinity; expected a finite score for every query and video")
    without = ~relevant.any(axis=1)
    if without.any():
        raise InputError(f"query {int(np.argmax(without))} has no relevant video; remove it or add its video")
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((scores >= best) & ~relevant).sum(axis=1)


def relevance(query_vids: Sequence[str], video_vids: Sequence[str]) -> np.ndarray:
    """relevant (Q, V): the PRVR view of a grounding split, in which a query's own video is its only relevant one."""
    return np.asarray(query_vids)[:, None] == np.asarray(video_vids)[None]
