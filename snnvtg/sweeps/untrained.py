"""Answers that take no training by gradient: what every model of a table has to beat."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.data.folds import whole
from snnvtg.metrics import fit_prior, prior_predictions
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.records import Prediction
from snnvtg.sweeps.declaration import PRIOR
from snnvtg.sweeps.measurement import Accuracy
from snnvtg.sweeps.trial import Trial


def untrained(trial: Trial) -> Iterator[tuple[str, str, Accuracy, np.ndarray, np.ndarray]]:
    """(name, data, accuracy, numbers of queries, numbers of videos) of each, on the trial's data and split.

    `prior` is the best fixed window of the training set, looking at neither video nor query; others are the model's
    own `baselines`. None where the data set has no windows, nor for video retrieval.
    """
    data = trial.data.load()
    split = getattr(data, trial.inference.split)
    recipe = trial.recipe
    if recipe.model_class(recipe.model, data.video_width, data.text_width).needs.every_video:
        return
    answers = recipe.model_class.baselines(recipe.model, data, split)
    if any(query.relevant_windows for query in data.train.queries):
        answers = {PRIOR: fixed_window(data, split), **answers}
    evaluation = EVALUATIONS[split.evaluation]
    for name, predictions in answers.items():
        figures = evaluation.figures(predictions, split.queries)["brief"]
        per_query = evaluation.per_query(predictions, split.queries)
        yield name, data.name, Accuracy(figures, per_query), *numbered(trial, split)


def fixed_window(data: DataSplits, split: GroundingDataset) -> list[Prediction]:
    """The best fixed window of the training set for every query of `split`; a clip inside has saliency 1."""
    predictions = prior_predictions(split.queries, fit_prior([q for q in data.train.queries if q.relevant_windows]))
    found = []
    for prediction, query in zip(predictions, split.queries, strict=True):
        start, end, _ = prediction.pred_relevant_windows[0]
        centres = (np.arange(math.ceil(query.duration / split.clip_length)) + 0.5) * split.clip_length
        inside = ((centres >= start) & (centres <= end)).astype(float)
        found.append(replace(prediction, pred_saliency_scores=tuple(inside.tolist())))
    return found


def numbered(trial: Trial, split: GroundingDataset) -> tuple[np.ndarray, np.ndarray]:
    """The number of each query (Q,) and of its video: the same in every fold of one data set."""
    if trial.data.fold is None:
        return np.arange(len(split)), pd.factorize(np.array([q.vid for q in split.queries], dtype=object))[0]
    data = replace(trial.data, fold=None).load()
    divided = data.train if trial.data.fold_over == "train" else whole(data)
    queries = {query: number for number, query in enumerate(divided.queries)}
    videos = {vid: number for number, vid in enumerate(dict.fromkeys(query.vid for query in divided.queries))}
    return np.array([queries[q] for q in split.queries]), np.array([videos[q.vid] for q in split.queries])
