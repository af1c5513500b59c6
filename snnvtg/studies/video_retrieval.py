"""Partially relevant video retrieval with a grounding model: every query asked of every video of a split."""

from typing import Literal

import numpy as np
import torch
from torch import nn

from snnvtg.data import Example, GroundingDataset, collate
from snnvtg.errors import InputError
from snnvtg.metrics.video_retrieval import relevance, video_retrieval_metrics
from snnvtg.records import Query

Score = Literal["foreground", "saliency"]


@torch.inference_mode()
def video_scores(
    model: nn.Module, dataset: GroundingDataset, *, score: Score = "foreground", batch_size: int = 32
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Scores (Q, V) and the vids of the columns: the highest foreground logit, or saliency, of any clip.

    Text changes every clip of a video, so nothing can be computed beforehand: Q · V passes of one video.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected at least 1")
    vids = tuple(dict.fromkeys(query.vid for query in dataset.queries))
    scores = np.empty((len(dataset), len(vids)))
    for row in range(len(dataset)):
        for first in range(0, len(vids), batch_size):
            chosen = vids[first : first + batch_size]
            examples = [_example(dataset, row, vid) for vid in chosen]
            batch = collate(examples, dataset.clip_length)
            output = model(batch)
            values = output.foreground_logits if score == "foreground" else output.saliency
            best = values.masked_fill(~batch.video_mask, -torch.inf).amax(1)
            scores[row, first : first + batch_size] = best.numpy()
    return scores, vids


def retrieval_figures(scores: np.ndarray, dataset: GroundingDataset, vids: tuple[str, ...]) -> dict[str, float]:
    """R@1, R@5, R@10, R@100, SumR in percent: a query's own video is its only relevant one."""
    return video_retrieval_metrics(scores, relevance([query.vid for query in dataset.queries], vids))


def _example(dataset: GroundingDataset, row: int, vid: str) -> Example:
    video, query = dataset.videos[vid], dataset.queries[row]
    # the truth belongs to another video: no windows, so that no target can be read
    return Example(Query(query.qid, query.query, vid, len(video) * dataset.clip_length), video, dataset.texts[row])
