"""Highlight detection where whole videos are ranked clip by clip: TVSum top-5 mAP and YouTube Highlights mAP."""

from collections.abc import Sequence

import numpy as np

from snnvtg.errors import InputError
from snnvtg.metrics.recall import by_qid
from snnvtg.records import Prediction, Query


def tvsum_metrics(predictions: Sequence[Prediction], queries: Sequence[Query], top: int = 5) -> dict[str, float]:
    """TVSum top-`top` mAP in percent: `mAP` over all domains and `mAP-DOMAIN` for each.

    For each annotator a clip is positive above that annotator's median; of the best-scored `top` clips the positives
    count as all there are; AP is the trapezoidal area, 0 without a hit. Averaged over annotators, videos of a domain,
    domains.
    """
    return _by_domain(tvsum_per_query(predictions, queries, top), queries)


def tvsum_per_query(predictions: Sequence[Prediction], queries: Sequence[Query], top: int = 5) -> np.ndarray:
    """The AP of each video, (Q,) in 0…1, mean over its annotators."""
    values = []
    for scores, ratings in _scored(predictions, queries):
        positive = ratings > np.median(ratings, axis=1, keepdims=True)
        best = np.argsort(-scores, kind="stable")[:top]
        values.append(trapezoid_average_precision(positive[:, best]).mean())
    return np.array(values)


def youtube_metrics(predictions: Sequence[Prediction], queries: Sequence[Query]) -> dict[str, float]:
    """YouTube Highlights mAP in percent: `mAP` over all domains and `mAP-DOMAIN` for each.

    A clip is positive where its `match` is above 0; the whole list counts. A video without a positive gives 0 (one
    public toolkit leaves it out instead).
    """
    return _by_domain(youtube_per_query(predictions, queries), queries)


def youtube_per_query(predictions: Sequence[Prediction], queries: Sequence[Query]) -> np.ndarray:
    """The AP of each video, (Q,) in 0…1."""
    values = []
    for scores, ratings in _scored(predictions, queries):
        best = np.argsort(-scores, kind="stable")
        values.append(trapezoid_average_precision(ratings[:, best] > 0).mean())
    return np.array(values)


def trapezoid_average_precision(positive: np.ndarray) -> np.ndarray:
    """AP (R,) of ranked positives (R, K): trapezoids of precision over recall, from precision 1 at recall 0.

    The positives in the list are all there are; none gives 0.
    """
    hits = np.cumsum(positive, axis=1)
    total = hits[:, -1:]
    precision = hits / (1.0 + np.arange(positive.shape[1]))
    before = np.concatenate([np.ones_like(precision[:, :1]), precision[:, :-1]], axis=1)
    area = (positive * (before + precision) / 2).sum(axis=1)
    return area / np.maximum(total[:, 0], 1)


def _scored(predictions: Sequence[Prediction], queries: Sequence[Query]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(scores (C,), ratings (R, C)) of each query; InputError names the qid where their lengths differ."""
    pairs = []
    for prediction, query in zip(by_qid(predictions, queries), queries, strict=True):
        if query.saliency_scores is None or not query.saliency_scores:
            raise InputError(f"qid {query.qid!r} has no rated clips; score against an annotated split")
        ratings = np.array(query.saliency_scores, dtype=np.float64).T
        scores = np.array(prediction.pred_saliency_scores, dtype=np.float64)
        if len(scores) < ratings.shape[1]:
            raise InputError(
                f"qid {query.qid!r}: {len(scores)} pred_saliency_scores for {ratings.shape[1]} clips; one per clip"
            )
        pairs.append((scores[: ratings.shape[1]], ratings))
    return pairs


def _by_domain(values: np.ndarray, queries: Sequence[Query]) -> dict[str, float]:
    domains = np.array([query.tags[0] if query.tags else "all" for query in queries])
    names = sorted(set(domains.tolist()))
    figures = {f"mAP-{name}": 100.0 * float(values[domains == name].mean()) for name in names}
    return {"mAP": float(np.mean(list(figures.values())))} | figures
