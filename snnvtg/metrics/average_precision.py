"""Average precision of ranked windows, as the QVHighlights evaluator counts it."""

from collections.abc import Sequence

import numpy as np

from snnvtg.records import Prediction
from snnvtg.windows import aligned_iou

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
MAX_WINDOWS = 10


def ranked_windows(predictions: Sequence[Prediction], most: int = MAX_WINDOWS) -> np.ndarray:
    """The first `most` windows of each prediction as submitted, then best score first: (Q, most, 2), NaN padded.

    Windows of one score keep their order.
    """
    windows = np.full((len(predictions), most, 2), np.nan)
    for row, prediction in enumerate(predictions):
        submitted = np.array(prediction.pred_relevant_windows[:most], dtype=np.float64).reshape(-1, 3)
        order = np.argsort(-submitted[:, 2], kind="stable")
        windows[row, : len(order)] = submitted[order, :2]
    return windows


def window_average_precision(
    windows: np.ndarray, truth: np.ndarray, thresholds: Sequence[float] = IOU_THRESHOLDS
) -> np.ndarray:
    """AP (Q, T) of ranked windows (Q, P, 2) against true ones (Q, W, 2), both NaN padded, at each IoU threshold.

    From the best window down, each takes the unlocked truth of highest IoU if that is ≥ the threshold (the later
    truth on a tie). Precision is interpolated at every recall.
    """
    hits = _greedy_hits(aligned_iou(windows[:, :, None], truth[:, None]), np.asarray(thresholds))
    predicted = ~np.isnan(windows[..., 0])
    rank = np.cumsum(predicted, axis=1)
    precision = np.where(predicted[..., None], np.cumsum(hits, axis=1) / np.maximum(rank, 1)[..., None], 0.0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    num_truths = (~np.isnan(truth[..., 0])).sum(axis=1)
    return (envelope * hits).sum(axis=1) / num_truths[:, None]


def _greedy_hits(iou: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """iou (Q, P, W) → hits (Q, P, T) bool; W is walked backwards so that the later truth wins a tie."""
    num_queries, num_windows, num_truths = iou.shape
    free = np.ones((num_queries, len(thresholds), num_truths), dtype=bool)
    hits = np.zeros((num_queries, num_windows, len(thresholds)), dtype=bool)
    backwards = iou[:, :, ::-1]
    for rank in range(num_windows):
        candidate = backwards[:, rank, None, :]
        score = np.where(free & (candidate >= thresholds[:, None]), candidate, -1.0)
        best = score.argmax(axis=2)[..., None]
        hit = np.take_along_axis(score, best, axis=2) >= 0
        hits[:, rank] = hit[..., 0]
        np.put_along_axis(free, best, np.take_along_axis(free, best, axis=2) & ~hit, axis=2)
    return hits
