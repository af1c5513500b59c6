"""The benchmarks of the field, one line of configuration each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from snnvtg import plugins
from snnvtg.data.annotations import parse_query, read_queries
from snnvtg.data.clip_ratings import above_median, matched, parse_tvsum, parse_youtube, with_rated_windows
from snnvtg.errors import InputError
from snnvtg.records import Query


@dataclass(frozen=True)
class Benchmark:
    """What a data set's files mean: seconds per clip, how its jsonl is read, how it is scored.

    One of a user's own is an instance in a module of theirs, named as `--dataset my_data.py:MINE`.
    """

    clip_length: float
    parse: Callable[[dict[str, Any], str], Query]
    """a jsonl object and its place become a Query"""
    evaluation: str
    """a name of `metrics.evaluations.EVALUATIONS`"""
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
    "qvhighlights": Benchmark(2.0, parse_query, "qvhighlights"),
    "charades_sta": Benchmark(1.0, parse_query, "recall"),
    "tacos": Benchmark(2.0, parse_query, "recall"),
    "activitynet_captions": Benchmark(1.0, parse_query, "recall"),
    "tvsum": Benchmark(2.0, parse_tvsum, "tvsum", above_median),
    "youtube_highlights": Benchmark(1.0, parse_youtube, "youtube", matched),
}


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`, or at `module:OBJECT`; InputError lists the names there are."""
    found = plugins.find("benchmarks", name, BENCHMARKS)
    if not isinstance(found, Benchmark):
        raise InputError(f"{name}: expected an instance of snnvtg.data.benchmarks.Benchmark, got {found!r}")
    return found
