"""What the linear alignment of words and clips answers on its own: no network, no spikes, no gradient.

Where a model adds that alignment to its logits (`alignment=ridge`), this is what it has to beat.
"""

import numpy as np
import torch

from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.metrics import retrieval_metrics
from snnvtg.models.clipwise.alignment import RidgeAlignment
from snnvtg.records import Prediction

LEVELS = np.linspace(-0.5, 1.5, 41)


def linear_predictions(data: DataSplits, split: GroundingDataset, ridge: float) -> list[Prediction]:
    """For every query of `split` the window that maximises Σ (r_i − level) over its clips.

    r is `RidgeAlignment` fitted on the training queries; the level, which sets how long windows are, is the one with
    the highest R1@0.5 + mIoU there, by maps that have not seen the video.
    """
    layer = RidgeAlignment(data.video_width, data.text_width, ridge)
    layer.fit(data.train)
    answered = data.train.subset([i for i, query in enumerate(data.train.queries) if query.relevant_windows])
    cross_fitted = scores(layer.train(), answered)
    level = max(LEVELS, key=lambda level: _worth(cross_fitted, answered, level))
    return windows(scores(layer.eval(), split), split, level)


@torch.no_grad()
def scores(layer: RidgeAlignment, split: GroundingDataset) -> list[np.ndarray]:
    """r (L,) of every query."""
    found = []
    for batch in split.batches(64):
        found += [row[mask].double().numpy() for row, mask in zip(layer(batch), batch.video_mask, strict=True)]
    return found


def windows(scores: list[np.ndarray], split: GroundingDataset, level: float) -> list[Prediction]:
    """The best window of every query at this level."""
    predictions = []
    for score, query in zip(scores, split.queries, strict=True):
        before = np.concatenate([[0.0], np.cumsum(score - level)])
        sums = np.where(np.triu(np.ones((len(before),) * 2, dtype=bool), 1), before - before[:, None], -np.inf)
        first, last = np.unravel_index(np.argmax(sums), sums.shape)
        start, end = (min(edge * split.clip_length, query.duration) for edge in (first, last))
        window = (float(start), float(end), float(sums[first, last]))
        predictions.append(Prediction(query.qid, query.query, query.vid, (window,), tuple(score.tolist())))
    return predictions


def _worth(scores: list[np.ndarray], split: GroundingDataset, level: float) -> float:
    metrics = retrieval_metrics(windows(scores, split, level), split.queries)
    return metrics["R1@0.5"] + metrics["mIoU"]
