"""Compare two models, several seeds each, on the same queries: paired differences with intervals.

    python experiments/compare.py --first a_seed0.jsonl a_seed1.jsonl --second b_seed0.jsonl b_seed1.jsonl \
        --annotations test.jsonl --dataset charades_sta

Files are submissions, one per seed. Each resample draws seeds of both and, once for both, videos, so that the interval
covers training noise and the choice of test videos. `ahead` is how often a resample has the first in front.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from snnvtg.applications import Task
from snnvtg.cli.command import CommandOptions, run
from snnvtg.errors import InputError
from snnvtg.files import check_writable


@dataclass(frozen=True)
class Options(CommandOptions):
    """Compare two models."""

    reads: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("first", "second"), "no such file; experiments/predict.py writes one"),
        "annotations": "no such file; expected a jsonl file",
    }

    first: tuple[Path, ...]
    """submissions of one model, a file per seed"""
    second: tuple[Path, ...]
    """submissions of the other"""
    annotations: Path
    """jsonl of the annotated split"""
    dataset: str = "qvhighlights"
    task: Task = "grounding"
    """video_retrieval: files of ranked videos, as experiments/evaluate.py reads them"""
    out: Path | None = None
    """CSV of the table"""

    def check(self) -> None:
        """InputError where a side is empty."""
        if not self.first or not self.second:
            raise InputError("first and second: name at least one submission each")


def main(options: Options) -> None:
    """Score every file, compare, print."""
    import numpy as np
    import pandas as pd

    from snnvtg.applications.scoring import notes, scorer
    from snnvtg.metrics.intervals import paired_comparison
    from snnvtg.reporting import write_csv
    from snnvtg.terminal import table_text

    if options.out:
        check_writable(options.out)
    kind, read, evaluation = scorer(options.dataset, options.task)
    queries = kind.read(options.annotations)

    def values(path: Path) -> dict[str, np.ndarray]:
        predictions = read(path)
        found = evaluation.per_query(predictions, queries)
        for line in notes(predictions, queries, kind, options.task):
            print(f"note: {path}: {line}")
        return found

    first, second = ([values(path) for path in paths] for paths in (options.first, options.second))
    vids = [query.vid for query in queries]
    rows = []
    for name in first[0]:
        ours, theirs = (np.stack([seed[name] for seed in seeds]) for seeds in (first, second))
        found = paired_comparison(ours, theirs, vids)
        figures = [100 * ours.mean(), 100 * theirs.mean(), 100 * found.difference, 100 * found.low, 100 * found.high]
        rows.append([name, *figures, found.ahead])
    table = pd.DataFrame(rows, columns=["figure", "first", "second", "difference", "low", "high", "ahead"])
    if options.out:
        write_csv(table, options.out)
    print(table_text(table, "{:.2f}".format))


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
