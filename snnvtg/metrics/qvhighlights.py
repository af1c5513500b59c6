"""The QVHighlights evaluation in the official evaluator's own layout, key names and rounding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from snnvtg.errors import InputError
from snnvtg.metrics.average_precision import IOU_THRESHOLDS, ranked_windows, window_average_precision
from snnvtg.metrics.highlights import LEVELS, clip_average_precision, hit_at_1, predicted_scores, true_ratings
from snnvtg.metrics.recall import first_window_iou, match_predictions, padded_windows
from snnvtg.records import Prediction, Query

RANGES = {"short": (0, 10), "middle": (10, 30), "long": (30, 150)}
"""Lengths in s of the true windows counted: above the first, up to the second."""


def qvhighlights_metrics(predictions: Sequence[Prediction], queries: Sequence[Query]) -> dict[str, Any]:
    """Every figure of the official JSON, percent to 2 decimals: `brief`, `HL-min-*`, `full`, `long`, `middle`, `short`.

    The highlight part is left out where no query has ratings. A range no true window falls into is left out too.
    """
    matched = match_predictions(predictions, queries)
    full = _retrieval(matched, queries)
    parts = {"full": full} | {
        name: figures for name in ("long", "middle", "short") if (figures := _range(matched, queries, RANGES[name]))
    }
    brief = {f"MR-full-R1@{threshold}": full["MR-R1"][threshold] for threshold in ("0.5", "0.7")}
    brief |= {"MR-full-mAP": full["MR-mAP"]["average"]}
    brief |= {f"MR-full-mAP@{threshold}": full["MR-mAP"][threshold] for threshold in ("0.5", "0.75")}
    brief |= {f"MR-{name}-mAP": part["MR-mAP"]["average"] for name, part in parts.items() if name != "full"}
    highlights = _highlights(matched, queries)
    for name, figures in highlights.items():
        brief |= {f"{name}-mAP": figures["HL-mAP"], f"{name}-Hit1": figures["HL-Hit1"]}
    return {"brief": brief, **highlights, **parts}


def per_query_results(predictions: Sequence[Prediction], queries: Sequence[Query]) -> dict[str, np.ndarray]:
    """What the averages are made of, each (Q,) in 0…1: `IoU` of the first window, `mAP`, and where rated `HL-min-*`."""
    matched = match_predictions(predictions, queries)
    truth = padded_windows(queries)
    precision = window_average_precision(ranked_windows(matched), truth)
    results = {"IoU": first_window_iou(matched, truth), "mAP": precision.mean(axis=1)}
    for name, (average, hit) in _highlight_values(matched, queries).items():
        results |= {f"{name}-mAP": average.mean(axis=1), f"{name}-Hit1": hit}
    return results


def _retrieval(predictions: Sequence[Prediction], queries: Sequence[Query]) -> dict[str, dict[str, float]]:
    truth = padded_windows(queries)
    precision = window_average_precision(ranked_windows(predictions), truth).mean(axis=0)
    iou = first_window_iou(predictions, truth)
    average = {str(threshold): _percent(value) for threshold, value in zip(IOU_THRESHOLDS, precision, strict=True)}
    average["average"] = _percent(precision.mean())
    return {
        "MR-mAP": average,
        "MR-R1": {str(threshold): _percent((iou >= threshold).mean()) for threshold in IOU_THRESHOLDS},
    }


def _range(
    predictions: Sequence[Prediction], queries: Sequence[Query], limits: tuple[float, float]
) -> dict[str, dict[str, float]] | None:
    """The same for the true windows of a range of lengths alone; None where there is none."""
    low, high = limits
    kept = [tuple(w for w in query.relevant_windows if low < w[1] - w[0] <= high) for query in queries]
    rows = [row for row, windows in enumerate(kept) if windows]
    if not rows:
        return None
    return _retrieval(
        [predictions[row] for row in rows], [replace(queries[row], relevant_windows=kept[row]) for row in rows]
    )


def _highlights(predictions: Sequence[Prediction], queries: Sequence[Query]) -> dict[str, dict[str, float]]:
    values = _highlight_values(predictions, queries)
    return {
        name: {"HL-mAP": _percent(ap.mean()), "HL-Hit1": _percent(hit.mean())} for name, (ap, hit) in values.items()
    }


def _highlight_values(
    predictions: Sequence[Prediction], queries: Sequence[Query]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """HL-min-LEVEL → AP (Q, R) and hit (Q,); {} where no query is rated."""
    rated = [query.saliency_scores is not None for query in queries]
    if not any(rated):
        return {}
    if not all(rated):
        raise InputError(
            f"qid {queries[rated.index(False)].qid!r} has no saliency_scores, others have; rate all or none"
        )
    for prediction in predictions:
        if not prediction.pred_saliency_scores:
            raise InputError(f"qid {prediction.qid!r}: pred_saliency_scores is empty; predict a score per 2-s clip")
    ratings, mask = true_ratings(queries)
    scores = predicted_scores(predictions, mask)
    values = {}
    for name, level in LEVELS.items():
        positive = ratings >= level
        values[f"HL-min-{name}"] = (clip_average_precision(scores, positive, mask), hit_at_1(predictions, positive))
    return values


def _percent(value: float) -> float:
    return float(f"{100 * value:.2f}")
