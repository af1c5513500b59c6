"""How a file of answers is scored: the data set's own figures, or those of video retrieval."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from snnvtg.applications import Task
from snnvtg.data.benchmarks import Benchmark, benchmark
from snnvtg.data.submissions import read_submission
from snnvtg.data.video_rankings import read_video_rankings
from snnvtg.metrics.evaluations import EVALUATIONS, VIDEO_RETRIEVAL, Evaluation


def scorer(dataset: str, task: Task) -> tuple[Benchmark, Callable[[Path], Any], Evaluation]:
    """The data set, how a file of answers is read, and how it is scored."""
    kind = benchmark(dataset)
    if task == "video_retrieval":
        return kind, read_video_rankings, VIDEO_RETRIEVAL
    return kind, read_submission, EVALUATIONS[kind.evaluation]
