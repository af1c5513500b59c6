"""Folds: every query answered once, by a model that has not seen its video.

A split of a few hundred queries scatters by more than most settings change. Over the training videos (`without_fold`)
settings are compared without opening the test split, and the validation split keeps its one task, to choose the epoch.
Over all videos (`whole_without_fold`) chosen settings are compared on as many queries as the data set has.
"""

from collections import ChainMap
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


def whole_without_fold(data: DataSplits, fold: int, folds: int) -> DataSplits:
    """All videos of `data`, whichever split they are of: one fold is the test split, the next the validation split."""
    every = whole(data)
    folded = fold_of(every, folds)
    after = (fold + 1) % folds
    parts = ((folded != fold) & (folded != after), folded == after, folded == fold)
    train, val, test = (every.subset(np.flatnonzero(part)) for part in parts)
    if not len(train):
        raise InputError(f"folds: expected at least 3, to train, choose the epoch and test, got {folds}")
    name = f"{data.name}, fold {fold + 1} of {folds} of all videos"
    checksum = f"{data.checksum}-all-{fold + 1}-{folds}"
    return replace(data, train=train, val=val, test=test, name=name, checksum=checksum)


def whole(data: DataSplits) -> GroundingDataset:
    """The queries of all three splits, each once."""
    splits = (data.train, data.val, data.test)
    texts = {query: text for split in splits for query, text in zip(split.queries, split.texts, strict=True)}
    videos = ChainMap(*(split.videos for split in splits))
    return replace(data.train, queries=tuple(texts), texts=tuple(texts.values()), videos=videos)


def fold_of(dataset: GroundingDataset, folds: int) -> np.ndarray:
    """The fold (Q,) of every query; a video's queries share one, and folds have equal numbers of videos."""
    vids = [query.vid for query in dataset.queries]
    names = sorted(set(vids))
    if not 2 <= folds <= len(names):
        raise InputError(f"folds: expected 2 to {len(names)}, the number of videos, got {folds}")
    shuffled = np.random.default_rng(0).permutation(len(names))
    place = {names[index]: rank % folds for rank, index in enumerate(shuffled)}
    return np.array([place[vid] for vid in vids])
