"""Moment retrieval by the first window: R1@θ and mIoU, and the prior every model has to beat."""

from collections.abc import Sequence

import numpy as np

from snnvtg.errors import InputError
from snnvtg.records import Prediction, Query
from snnvtg.windows import aligned_iou

THRESHOLDS = (0.3, 0.5, 0.7)


def retrieval_metrics(
    predictions: Sequence[Prediction], queries: Sequence[Query], thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, float]:
    """R1@θ (IoU ≥ θ) and mIoU of the first window, in percent, unrounded; Charades-STA and TACoS.

    A query with several windows counts the one its prediction meets best. (2D-TAN used a strict >.)
    """
    return recall_summary(per_query_iou(predictions, queries), thresholds)


def recall_summary(iou: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> dict[str, float]:
    """The same figures from the per-query IoU (Q,)."""
    figures = {f"R1@{threshold}": 100.0 * float(np.mean(iou >= threshold)) for threshold in thresholds}
    return figures | {"mIoU": 100.0 * float(np.mean(iou))}


def per_query_iou(predictions: Sequence[Prediction], queries: Sequence[Query]) -> np.ndarray:
    """IoU (Q,) of each query's first submitted window with its best-fitting truth, in the order of `queries`."""
    return first_window_iou(match_predictions(predictions, queries), padded_windows(queries))


def first_window_iou(predictions: Sequence[Prediction], truth: np.ndarray) -> np.ndarray:
    """IoU (Q,) of each prediction's first window with the best of its true ones, truth (Q, W, 2) padded with NaN."""
    first = np.array([prediction.pred_relevant_windows[0][:2] for prediction in predictions], dtype=np.float64)
    return aligned_iou(first[:, None], truth).max(axis=1)


def match_predictions(predictions: Sequence[Prediction], queries: Sequence[Query]) -> list[Prediction]:
    """Predictions in the order of `queries`, as `by_qid`; a query without truth or predicted window is refused too."""
    matched = by_qid(predictions, queries)
    for query, prediction in zip(queries, matched, strict=True):
        if not prediction.pred_relevant_windows:
            raise InputError(f"qid {query.qid!r}: pred_relevant_windows is empty; predict at least one window")
        if not query.relevant_windows:
            raise InputError(f"qid {query.qid!r} has no relevant_windows; score against an annotated split")
    return matched


def by_qid(predictions: Sequence[Prediction], queries: Sequence[Query]) -> list[Prediction]:
    """Predictions in the order of `queries`; InputError names a qid that is missing, unknown or there twice."""
    if not queries:
        raise InputError("no queries to score; expected at least one")
    found: dict[int | str, Prediction] = {}
    for prediction in predictions:
        if prediction.qid in found:
            raise InputError(f"qid {prediction.qid!r} is predicted twice; keep one prediction per query")
        found[prediction.qid] = prediction
    wanted = {query.qid for query in queries}
    missing = [query.qid for query in queries if query.qid not in found]
    unknown = [qid for qid in found if qid not in wanted]
    if missing:
        raise InputError(f"qid {missing[0]!r} has no prediction ({len(missing)} such); predict every annotated query")
    if unknown:
        raise InputError(
            f"qid {unknown[0]!r} is predicted but not annotated ({len(unknown)} such); remove it or name the right "
            "annotations"
        )
    return [found[query.qid] for query in queries]


def padded_windows(queries: Sequence[Query]) -> np.ndarray:
    """True windows (Q, W, 2) in s, queries with fewer padded with NaN rows, whose IoU with anything is 0."""
    widest = max(len(query.relevant_windows) for query in queries)
    windows = np.full((len(queries), widest, 2), np.nan)
    for row, query in enumerate(queries):
        windows[row, : len(query.relevant_windows)] = query.relevant_windows
    return windows


def fit_prior(queries: Sequence[Query], step: float = 0.01) -> tuple[float, float]:
    """The fixed span (start, end), fractions of the video, that answers `queries` best without looking.

    Best is the highest mean of R1@0.5 and mIoU over the grid of `step`; the shortest, then earliest, on a tie. Fit it
    on train.
    """
    ticks = np.linspace(0, 1, round(1 / step) + 1)
    start, end = (axis.ravel() for axis in np.meshgrid(ticks, ticks, indexing="ij"))
    spans = np.stack([start, end], axis=1)[end > start + step / 2]
    spans = spans[np.lexsort((spans[:, 0], np.round(spans[:, 1] - spans[:, 0], 9)))]
    truth = padded_windows(queries) / np.array([query.duration for query in queries])[:, None, None]
    # one span at a time: all at once is spans × queries × windows
    value = np.empty(len(spans))
    for index, span in enumerate(spans):
        iou = aligned_iou(span, truth).max(axis=1)
        value[index] = np.mean(iou >= 0.5) + np.mean(iou)
    best = spans[int(np.argmax(np.round(value, 12)))]
    return round(float(best[0]), 9), round(float(best[1]), 9)


def prior_predictions(queries: Sequence[Query], span: tuple[float, float]) -> list[Prediction]:
    """The answer of the prior: `span` of each query's video, whatever is asked."""
    return [
        Prediction(q.qid, q.query, q.vid, ((span[0] * q.duration, span[1] * q.duration, 1.0),), ()) for q in queries
    ]
