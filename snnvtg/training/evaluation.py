"""Predictions and metrics of a model on a split."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from snnvtg.data import GroundingDataset
from snnvtg.data.dataset import Example, collate
from snnvtg.errors import InputError
from snnvtg.metrics.evaluations import EVALUATIONS, VIDEO_RETRIEVAL, Evaluation
from snnvtg.models import GroundingModel
from snnvtg.records import Prediction, Query


def evaluate(
    model: GroundingModel, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu"
) -> tuple[dict[str, float], Any]:
    """Metrics in percent, as `evaluation_of` counts them, and the answers of `model` on `dataset`.

    `recall` gives R1@0.3, R1@0.5, R1@0.7 and mIoU; the other evaluations the `brief` part of their layout.
    """
    answers = answer_split(model, dataset, batch_size=batch_size, device=device)
    return evaluation_of(model, dataset).figures(answers, dataset.queries)["brief"], answers


def evaluation_of(model: GroundingModel, dataset: GroundingDataset) -> Evaluation:
    """How a model is scored on a split: by the data set's own figures, or by those of video retrieval."""
    return VIDEO_RETRIEVAL if model.needs.every_video else EVALUATIONS[dataset.evaluation]


def answer_split(model: GroundingModel, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu") -> Any:
    """What `evaluation_of` scores: predictions in the order of `dataset`, or a ranking of its videos for each qid."""
    if not model.needs.every_video:
        return predict_split(model, dataset, batch_size=batch_size, device=device)
    scores, vids = video_scores(model, dataset, batch_size=batch_size, device=device)
    return {q.qid: dict(zip(vids, row, strict=True)) for q, row in zip(dataset.queries, scores.tolist(), strict=True)}


@torch.no_grad()
def predict_split(
    model: GroundingModel, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu"
) -> list[Prediction]:
    """The predictions of `model` on `dataset`, in its order; the ground truth is not used."""
    was_training = model.training
    model.eval()
    predictions: list[Prediction] = []
    for batch in dataset.batches(batch_size):
        moved = batch.to(device)
        predictions += model.predict(model(moved), moved)
    model.train(was_training)
    return predictions


@torch.no_grad()
def video_scores(
    model: GroundingModel,
    dataset: GroundingDataset,
    *,
    asked: Sequence[int] | None = None,
    batch_size: int = 32,
    device: str = "cpu",
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Relevance (Q, V) of every video of the split to every query, or to those at the indices `asked`, and the vids.

    Each video is indexed once; where text changes every clip of it (no `search` of the model's own), Q · V passes.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected at least 1")
    was_training = model.training
    model.eval()
    vids = tuple(dict.fromkeys(query.vid for query in dataset.queries))
    asked = range(len(dataset)) if asked is None else asked
    scores = np.empty((len(asked), len(vids)))
    for column in range(0, len(vids), batch_size):
        columns = slice(column, column + batch_size)
        videos = model.index(collate([_video(dataset, vid) for vid in vids[columns]], dataset.clip_length).to(device))
        for row in range(0, len(asked), batch_size):
            rows = slice(row, row + batch_size)
            queries = collate([_question(dataset, i) for i in asked[rows]], dataset.clip_length).to(device)
            scores[rows, columns] = model.search(queries, videos).float().cpu().numpy()
    model.train(was_training)
    return scores, vids


def _video(dataset: GroundingDataset, vid: str) -> Example:
    """A video that nobody has asked about yet: no text, and no windows, so that no target can be read."""
    video, text = dataset.videos[vid], dataset.texts[0]
    return Example(Query(vid, "", vid, len(video) * dataset.clip_length), video, np.zeros_like(text[:1]))


def _question(dataset: GroundingDataset, row: int) -> Example:
    """A query without its video."""
    query, video = dataset.queries[row], dataset.videos[dataset.queries[row].vid]
    return Example(Query(query.qid, query.query, "", dataset.clip_length), np.zeros_like(video[:1]), dataset.texts[row])
