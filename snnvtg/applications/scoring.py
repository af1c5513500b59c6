"""How a file of answers is scored: the data set's own figures, or those of video retrieval."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from snnvtg.applications import Task
from snnvtg.data.benchmarks import Benchmark, benchmark
from snnvtg.data.submission_notes import submission_notes
from snnvtg.data.submissions import read_submission
from snnvtg.data.video_rankings import read_video_rankings
from snnvtg.metrics.evaluations import EVALUATIONS, VIDEO_RETRIEVAL, Evaluation
from snnvtg.records import Query


def scorer(dataset: str, task: Task) -> tuple[Benchmark, Callable[[Path], Any], Evaluation]:
    """The data set, how a file of answers is read, and how it is scored."""
    kind = benchmark(dataset)
    if task == "video_retrieval":
        return kind, read_video_rankings, VIDEO_RETRIEVAL
    return kind, read_submission, EVALUATIONS[kind.evaluation]


def notes(answers: Any, queries: Sequence[Query], kind: Benchmark, task: Task) -> list[str]:
    """What is odd about answers as the scorer read them, see `submission_notes`; of ranked videos nothing."""
    return [] if task == "video_retrieval" else submission_notes(answers, queries, kind)
