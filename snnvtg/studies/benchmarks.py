"""Command-line options for a benchmark in the folder of another toolkit, and the paper's settings for it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from snnvtg.data import DataSplits
from snnvtg.data.layouts import LayoutName, load_benchmark
from snnvtg.data.presets import BenchmarkName, benchmark
from snnvtg.errors import InputError
from snnvtg.studies.options import DataOptions


@dataclass(frozen=True)
class BenchmarkOptions(DataOptions):
    """Which data: the embedded set, a folder of the plain kind (--data), or a benchmark (--dataset, --features)."""

    dataset: BenchmarkName | None = None
    """a benchmark of the field, read from --features with its own clip length, figures and paper settings"""
    features: Path | None = None
    """with --dataset: the folder of its features, in --layout"""
    annotations: Path | None = None
    """with --dataset: the folder of its jsonl files; none: --features, or its data/, metadata/ or annotations/"""
    layout: LayoutName = "plain"
    """whose folder it is: plain (features/clip, features/clip_text), a repository of Moment-DETR's kin, Lighthouse's
    features/DATASET, UniVTG's data/DATASET"""
    backbones: tuple[str, ...] = ("slowfast", "clip")
    """with --dataset: video features, in the order they are concatenated"""
    text: str = "clip"
    """with --dataset: an encoder's token files in the layout, a GloVe text file, clip:FOLDER, or sentence"""
    splits: tuple[str, str, str] = ("train", "val", "val")
    """with --dataset: the part of the jsonl file's name that says train, val and test"""
    domain: str | None = None
    """one of TVSum's or YouTube Highlights' domains, on each of which the field trains a model"""
    packed: Path | None = None
    """with --dataset: features packed by experiments/tools/pack_features.py, for data larger than memory"""

    def loader(self, answers: bool = True) -> Callable[[], DataSplits]:
        """A function other processes can call to load the data; `answers=False` admits a split without truths."""
        if self.dataset is None:
            if self.features is not None or self.annotations is not None or self.domain is not None:
                raise InputError("features, annotations and domain belong to a benchmark; name it with --dataset")
            return super().loader()
        if self.data is not None:
            raise InputError("data and dataset exclude each other; give --dataset with --features, or --data alone")
        if self.features is None:
            raise InputError(f"dataset {self.dataset}: name the folder of its features with --features")
        return functools.partial(
            load_benchmark,
            self.dataset,
            self.features,
            layout=self.layout,
            annotations=self.annotations,
            backbones=self.backbones,
            text=self.text,
            splits=self.splits,
            domain=self.domain,
            packed=self.packed,
            answers=answers,
        )

    def load(self, answers: bool = True) -> DataSplits:
        """The data, in memory."""
        return self.loader(answers)()


def benchmark_settings(dataset: str, *, paper: bool) -> tuple[str, ...]:
    """KEY=VALUE settings of a preset on a benchmark: the best epoch is chosen by the benchmark's own figure.

    With `paper` also the paper's settings for it. A data set the paper has no experiment on keeps those of the preset,
    which are Charades-STA's.
    """
    kind = benchmark(dataset)
    settings = [f"training.select_on={kind.select_on}"]
    if paper and kind.paper is not None:
        settings.append(f"model.num_timesteps={kind.paper.num_timesteps}")
        settings += [
            f"training.{name}={getattr(kind.paper, name)}" for name in ("learning_rate", "batch_size", "weight_decay")
        ]
    return tuple(settings)
