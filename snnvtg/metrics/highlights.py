"""Highlight detection on QVHighlights: how well per-clip scores find the clips its raters liked."""

from collections.abc import Sequence

import numpy as np

from snnvtg.errors import InputError
from snnvtg.records import Prediction, Query

CLIP_LENGTH = 2.0
MOST_RATINGS = 10**8
"""ratings laid out at once, 600 times those of the val split: beyond, a duration is not in seconds"""
LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}


def true_ratings(queries: Sequence[Query], clip_length: float = CLIP_LENGTH) -> tuple[np.ndarray, np.ndarray]:
    """Ratings (Q, R, C) of each rater, 0 for unrated clips, and the mask (Q, C) of clips, int(duration/clip_length)."""
    counts = [int(query.duration / clip_length) for query in queries]
    raters = {len(row) for query in queries for row in query.saliency_scores or ()}
    if len(raters) != 1:
        raise InputError(f"queries have {sorted(raters) or 'no'} raters; expected the same number for each")
    shape = (len(queries), raters.pop(), max(counts))
    if shape[1] * shape[2] * len(queries) > MOST_RATINGS:
        longest = max(queries, key=lambda query: query.duration)
        raise InputError(
            f"qid {longest.qid!r}: a duration of {longest.duration:g} s; a QVHighlights video has 150 s, correct it"
        )
    ratings = np.zeros(shape)
    for row, (query, count) in enumerate(zip(queries, counts, strict=True)):
        ids = np.array(query.relevant_clip_ids, dtype=np.int64)
        if len(ids) == 0:
            continue
        if ids.max() >= count:
            raise InputError(
                f"qid {query.qid!r} rates clip {ids.max()}, its video of {query.duration:g} s has clips 0 to "
                f"{count - 1}; correct relevant_clip_ids"
            )
        ratings[row][:, ids] = np.array(query.saliency_scores, dtype=np.float64).T
    return ratings, np.arange(max(counts)) < np.array(counts)[:, None]


def predicted_scores(predictions: Sequence[Prediction], mask: np.ndarray) -> np.ndarray:
    """Scores (Q, C): missing trailing ones are 0, extra ones cut; −inf beyond a video's clips."""
    scores = np.where(mask, 0.0, -np.inf)
    for row, prediction in enumerate(predictions):
        given = prediction.pred_saliency_scores[: int(mask[row].sum())]
        scores[row, : len(given)] = given
    return scores


def hit_at_1(predictions: Sequence[Prediction], positive: np.ndarray) -> np.ndarray:
    """1 where the best-scored clip (the first on a tie) is positive for any rater, (Q,); positive (Q, R, C) bool.

    The best is sought among the scores submitted: padding never wins, and a clip beyond the video is a miss.
    """
    best = np.array([np.argmax(prediction.pred_saliency_scores) for prediction in predictions])
    liked = positive.any(axis=1)
    inside = best < liked.shape[1]
    found = np.take_along_axis(liked, np.where(inside, best, 0)[:, None], axis=1)[:, 0]
    return (found & inside).astype(np.float64)


def clip_average_precision(scores: np.ndarray, positive: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """AP (Q, R) of clip scores (Q, C) against positives (Q, R, C).

    Clips of one score are taken together; precision, interpolated, is averaged over the distinct scores that bring a
    positive. No positive gives 0, nothing but positives 1.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered, valid = np.take_along_axis(scores, order, axis=1), np.take_along_axis(mask, order, axis=1)
    hits = np.take_along_axis(positive & mask[:, None], order[:, None], axis=2)
    # a group of equal scores counts at its last clip
    last = valid & np.concatenate([ordered[:, 1:] != ordered[:, :-1], np.ones((len(scores), 1), bool)], axis=1)
    found = np.cumsum(hits, axis=2)
    precision = np.where(last[:, None], found / (1.0 + np.arange(scores.shape[1])), 0.0)
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=2)[..., ::-1]
    at_last = np.where(last[:, None], found, 0)
    before = np.maximum.accumulate(np.pad(at_last, ((0, 0), (0, 0), (1, 0)))[..., :-1], axis=2)
    counted = last[:, None] & (at_last > before)
    return (envelope * counted).sum(axis=2) / np.maximum(counted.sum(axis=2), 1)
