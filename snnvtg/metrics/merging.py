"""One prediction for a long video out of those of its overlapping windows."""

from collections.abc import Iterable

import numpy as np

from snnvtg.errors import InputError
from snnvtg.metrics.suppression import nms
from snnvtg.records import Prediction


def merge_predictions(
    parts: Iterable[tuple[int, Prediction]],
    *,
    clip_length: float,
    num_clips: int,
    top: int = 10,
    nms_threshold: float = 0.7,
) -> Prediction:
    """Merge (first clip, prediction) of each window, times in s from the window's own start.

    Windows are shifted to video time and overlapping ones suppressed by score. Where windows overlap, a clip's saliency
    is their mean, weighted by its distance to the window's edge; there is none where no window has any. A moment longer
    than the overlap is seen whole by no window. Memory grows by `top` windows per part and one number per clip.
    """
    windows, qid, query, vid = [np.zeros((0, 3))], None, "", ""
    total, weight = np.zeros(num_clips), np.zeros(num_clips)
    for start, part in parts:
        qid, query, vid = part.qid, part.query, part.vid
        found = np.array(part.pred_relevant_windows[:top], dtype=np.float64).reshape(-1, 3)
        windows.append(found + np.array([start * clip_length, start * clip_length, 0.0]))
        scores = np.array(part.pred_saliency_scores[: num_clips - start])
        inward = np.minimum(np.arange(len(scores)), np.arange(len(scores))[::-1]) + 1.0
        total[start : start + len(scores)] += inward * scores
        weight[start : start + len(scores)] += inward
    if qid is None:
        raise InputError("no predictions to merge; expected at least one window")
    kept = nms(np.concatenate(windows), nms_threshold, most=top)
    kept[:, :2] = kept[:, :2].clip(0, num_clips * clip_length)
    saliency = total / np.where(weight > 0, weight, 1.0) if weight.any() else np.empty(0)
    return Prediction(qid, query, vid, tuple(map(tuple, kept.tolist())), tuple(saliency.tolist()))
