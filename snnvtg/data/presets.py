"""The benchmarks of the field, one line of configuration each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from snnvtg.data.annotations import parse_query, read_queries
from snnvtg.data.clip_ratings import above_median, matched, parse_tvsum, parse_youtube, with_rated_windows
from snnvtg.errors import InputError
from snnvtg.records import Query

BenchmarkName = Literal["qvhighlights", "charades_sta", "tacos", "activitynet_captions", "tvsum", "youtube_highlights"]


@dataclass(frozen=True)
class PaperSettings:
    """How SpikeMba's paper trains on a data set (Adam, weight decay 1e-4 throughout)."""

    learning_rate: float
    batch_size: int
    num_timesteps: int
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Benchmark:
    """What a data set's files mean: seconds per clip, how its jsonl is read, how it is scored, the paper's settings."""

    clip_length: float
    parse: Callable[[dict[str, Any], str], Query]
    """a jsonl object and its place become a Query"""
    evaluation: str
    """a name of `metrics.evaluations.EVALUATIONS`"""
    select_on: str
    """the figure of that evaluation that chooses the best epoch"""
    paper: PaperSettings | None
    """None where the paper has no experiment on it"""
    good: Callable[[np.ndarray], np.ndarray] | None = None
    """for ratings without windows: which clips (C,) of ratings (C, R) are the foreground to learn"""

    def read(self, path: Path | str) -> tuple[Query, ...]:
        """The queries of an annotation file."""
        return read_queries(path, self.parse)

    def read_to_train(self, path: Path | str) -> tuple[Query, ...]:
        """The same, with windows made of the ratings where the data set has none."""
        queries = self.read(path)
        if self.good is None:
            return queries
        return tuple(with_rated_windows(query, self.clip_length, self.good) for query in queries)

    def read_unanswered(self, path: Path | str) -> tuple[Query, ...]:
        """The queries of a split that may lack answers, such as the public test split of QVHighlights."""
        parse = partial(parse_query, require_windows=False) if self.parse is parse_query else self.parse
        return read_queries(path, parse)


BENCHMARKS: dict[str, Benchmark] = {
    "qvhighlights": Benchmark(2.0, parse_query, "qvhighlights", "MR-full-mAP", PaperSettings(2e-4, 64, 8)),
    "charades_sta": Benchmark(1.0, parse_query, "recall", "mIoU", PaperSettings(4e-4, 64, 8)),
    "tacos": Benchmark(2.0, parse_query, "recall", "mIoU", None),
    "activitynet_captions": Benchmark(1.0, parse_query, "recall", "mIoU", None),
    "tvsum": Benchmark(2.0, parse_tvsum, "tvsum", "mAP", PaperSettings(2e-3, 8, 10), above_median),
    "youtube_highlights": Benchmark(1.0, parse_youtube, "youtube", "mAP", PaperSettings(4e-4, 8, 10), matched),
}


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`; InputError lists the names there are."""
    if name not in BENCHMARKS:
        raise InputError(f"unknown data set {name!r}; expected one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
