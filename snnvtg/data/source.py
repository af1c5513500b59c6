"""Where a data set comes from, as every command and every sweep names it."""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from snnvtg.data.synthetic_config import SyntheticConfig
from snnvtg.errors import InputError

if TYPE_CHECKING:
    from snnvtg.data.dataset import DataSplits

LayoutName = Literal["plain", "moment_detr", "lighthouse", "univtg"]


@dataclass(frozen=True)
class DataSource:
    """Which data: the embedded synthetic set, a folder (--data), or a benchmark (--dataset, --features)."""

    data: Path | None = None
    """folder with train.jsonl, val.jsonl, test.jsonl, features/ and glove*.txt; none: the embedded synthetic set"""
    dataset: str | None = None
    """a benchmark of the field (qvhighlights, charades_sta, tacos, activitynet_captions, tvsum, youtube_highlights) or
    one of yours (my_data.py:MINE), read from --features with its own clip length and figures"""
    features: Path | None = None
    """with --dataset: the folder of its features, in --layout"""
    annotations: Path | None = None
    """with --dataset: the folder of its jsonl files; none: --features, or its data/, metadata/ or annotations/"""
    layout: LayoutName = "plain"
    """with --dataset: whose folder it is: plain (features/clip, features/clip_text), a repository like Moment-DETR's,
    Lighthouse's features/DATASET, UniVTG's data/DATASET"""
    backbones: tuple[str, ...] = ()
    """video features, in the order they are concatenated; none: the only folder in features/ of --data, slowfast and
    clip of --dataset"""
    feature_folders: tuple[Path, ...] = ()
    """folders (or HDF5 files) of these features where they are elsewhere, in the same order"""
    text: str | None = None
    """a GloVe text file, clip:FOLDER, sentence, or an encoder whose token files are with the features; none: the only
    glove*.txt of --data, clip of --dataset"""
    splits: tuple[str, str, str] | None = None
    """with --dataset: the part of the jsonl file's name that says train, val and test; none: train, val, val"""
    domain: str | None = None
    """one of TVSum's or YouTube Highlights' domains, for each of which the field trains a model of its own"""
    packed: Path | None = None
    """features packed by experiments/tools/pack_features.py, for data larger than memory"""
    clip_length: float | None = None
    """seconds a feature row covers; none: 1 for --data, the benchmark's own for --dataset"""
    fold: int | None = None
    """hold out this fold of the videos in place of the test split (cross-validation)"""
    folds: int = 4
    """into how many parts the videos are divided"""
    fold_over: Literal["train", "all"] = "train"
    """all: the videos of every split are divided, and the fold after the held-out one is the validation split"""
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    """settings of the embedded synthetic set"""

    def __post_init__(self):
        if self.dataset is None:
            for name in ("features", "annotations", "domain", "splits"):
                if getattr(self, name) is not None:
                    raise InputError(f"--{name} belongs to a benchmark of the field; name it with --dataset")
            if self.data is None:
                self._refuse_folder_options()
        elif self.data is not None:
            raise InputError("--data and --dataset exclude each other; give --dataset with --features, or --data alone")
        elif self.features is None:
            raise InputError(f"--dataset {self.dataset}: name the folder of its features with --features")
        elif self.clip_length is not None:
            raise InputError(f"--clip-length: {self.dataset} has its own; leave it out with --dataset")
        if self.backbones and self.feature_folders and len(self.backbones) != len(self.feature_folders):
            raise InputError(
                f"--feature-folders: expected one for each of --backbones {' '.join(self.backbones)}, "
                f"got {len(self.feature_folders)}"
            )
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise InputError(f"fold: expected a number from 0 to {self.folds - 1}, got {self.fold}")

    def _refuse_folder_options(self) -> None:
        for name in ("backbones", "feature_folders", "text", "packed", "clip_length"):
            if getattr(self, name):
                option = name.replace("_", "-")
                raise InputError(f"--{option}: the embedded synthetic set has its own; give --data or --dataset")

    @property
    def is_synthetic(self) -> bool:
        """Whether it is the embedded synthetic set."""
        return self.data is None and self.dataset is None

    def load(self, answers: bool = True) -> "DataSplits":
        """The data, in memory; `answers=False` admits a split without truths. Not loaded twice in one process."""
        from snnvtg.data.folds import whole_without_fold, without_fold

        data = _load(replace(self, fold=None, folds=4, fold_over="train"), answers)
        if self.fold is None:
            return data
        held_out = without_fold if self.fold_over == "train" else whole_without_fold
        return held_out(data, self.fold, self.folds)


@functools.lru_cache(maxsize=2)
def _load(source: DataSource, answers: bool) -> "DataSplits":
    if source.is_synthetic:
        from snnvtg.data.synthetic import generate

        return generate(source.synthetic)
    if source.dataset is None:
        from snnvtg.data.folder import load_folder

        return load_folder(
            source.data,
            clip_length=1.0 if source.clip_length is None else source.clip_length,
            backbones=source.backbones or None,
            feature_folders=source.feature_folders or None,
            text=source.text,
            packed=source.packed,
        )
    from snnvtg.data.layouts import load_benchmark

    return load_benchmark(
        source.dataset,
        source.features,
        layout=source.layout,
        annotations=source.annotations,
        backbones=source.backbones or ("slowfast", "clip"),
        feature_folders=source.feature_folders or None,
        text=source.text or "clip",
        splits=source.splits or ("train", "val", "val"),
        domain=source.domain,
        packed=source.packed,
        answers=answers,
    )
