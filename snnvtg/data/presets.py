"""The benchmarks of the field, one line of configuration each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnvtg.data.annotations import parse_query, read_queries
from snnvtg.data.clip_ratings import parse_tvsum, parse_youtube
from snnvtg.errors import InputError
from snnvtg.records import Query


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
    paper: PaperSettings | None
    """None where the paper has no experiment on it"""

    def read(self, path: Path | str) -> tuple[Query, ...]:
        """The queries of an annotation file."""
        return read_queries(path, self.parse)


BENCHMARKS = {
    "qvhighlights": Benchmark(2.0, parse_query, "qvhighlights", PaperSettings(2e-4, 64, 8)),
    "charades_sta": Benchmark(1.0, parse_query, "recall", PaperSettings(4e-4, 64, 8)),
    "tacos": Benchmark(2.0, parse_query, "recall", None),
    "activitynet_captions": Benchmark(1.0, parse_query, "recall", None),
    "tvsum": Benchmark(2.0, parse_tvsum, "tvsum", PaperSettings(2e-3, 8, 10)),
    "youtube_highlights": Benchmark(1.0, parse_youtube, "youtube", PaperSettings(4e-4, 8, 10)),
}


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`; InputError lists the names there are."""
    if name not in BENCHMARKS:
        raise InputError(f"unknown data set {name!r}; expected one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
