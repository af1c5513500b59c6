"""Folds of the training videos: settings are compared without opening the test split.

A validation split of a few hundred queries scatters by more than most settings change. With a fold for each part of
the training videos every training query is answered once, by a model that has not seen its video; the validation split
keeps its one task, to choose the epoch.
"""

from dataclasses import replace

import numpy as np

from snnvtg.data.dataset import DataSplits, GroundingDataset
from snnvtg.errors import InputError


def without_fold(data: DataSplits, fold: int, folds: int) -> DataSplits:
    """`data` with one fold of the training videos in place of the test split."""
    held_out = fold_of(data.train, folds) == fold
    kept, answered = (data.train.subset(np.flatnonzero(part)) for part in (~held_out, held_out))
    name = f"{data.name} without fold {fold + 1} of {folds}"
    return replace(data, train=kept, test=answered, name=name, checksum=f"{data.checksum}-{fold + 1}-{folds}")


def fold_of(dataset: GroundingDataset, folds: int) -> np.ndarray:
    """The fold (Q,) of every query; a video's queries share one, and folds have equal numbers of videos."""
    vids = [query.vid for query in dataset.queries]
    names = sorted(set(vids))
    if not 2 <= folds <= len(names):
        raise InputError(f"folds: expected 2 to {len(names)}, the number of training videos, got {folds}")
    shuffled = np.random.default_rng(0).permutation(len(names))
    place = {names[index]: rank % folds for rank, index in enumerate(shuffled)}
    return np.array([place[vid] for vid in vids])
