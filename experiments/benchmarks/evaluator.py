"""How long the whole QVHighlights evaluation takes, beside the official evaluator where that is at hand.

    python experiments/benchmarks/evaluator.py --submission sample_val_preds.jsonl \\
        --annotations highlight_val_release.jsonl --out reports/benchmark_evaluator.csv
    python experiments/benchmarks/evaluator.py ... --official moment_detr/standalone_eval/eval.py

Seconds. Reading both files counts, printing does not; medians over repeats in one process after a first run. The
official evaluator is run once, as its own process: `python eval.py --submission_path … --gt_path … --save_path …`. Its
file of figures is then compared with ours. Without `--official` its row is left empty.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quiet import run
from snnvtg.data.annotations import read_annotations
from snnvtg.data.submissions import read_submission
from snnvtg.errors import InputError
from snnvtg.metrics import bootstrap_interval, per_query_results, qvhighlights_metrics
from snnvtg.reporting import provenance, write_csv, write_json


@dataclass(frozen=True)
class Options:
    """Benchmark the evaluation."""

    submission: Path
    annotations: Path
    official: Path | None = None
    """eval.py of the official evaluator; none: not at hand"""
    repeats: int = 5
    out: Path | None = None
    """CSV; a JSON with provenance is written beside it"""


def main(options: Options) -> None:
    """Time each part."""
    if options.repeats < 1:
        raise InputError(f"repeats is {options.repeats}; expected at least 1")
    queries, predictions = read_annotations(options.annotations), read_submission(options.submission)
    figures = qvhighlights_metrics(predictions, queries)
    vids = [query.vid for query in queries]

    def intervals() -> None:
        for values in per_query_results(predictions, queries).values():
            bootstrap_interval(values, vids)

    def whole() -> None:
        qvhighlights_metrics(read_submission(options.submission), read_annotations(options.annotations))

    parts = {
        "read both files": lambda: (read_annotations(options.annotations), read_submission(options.submission)),
        "every figure": lambda: qvhighlights_metrics(predictions, queries),
        "read and every figure": whole,
        "per query, with bootstrap intervals": intervals,
    }
    rows = [(name, timed(work, options.repeats), "") for name, work in parts.items()]
    rows.append(("official evaluator, whole process", *official(options, figures)))
    table = pd.DataFrame(rows, columns=["part", "seconds", "figures_agree"])
    print(f"{len(queries)} queries, {sum(len(p.pred_relevant_windows) for p in predictions)} windows")
    print(table.to_string(index=False, float_format="{:.3f}".format, na_rep="not at hand"))
    if options.out:
        write_csv(table, options.out)
        write_json(provenance(queries=len(queries), config=options), options.out.with_suffix(".json"))


def timed(work: Callable[[], object], repeats: int) -> float:
    """Median seconds after a first run."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def official(options: Options, figures: dict) -> tuple[float, str]:
    """Seconds of the official evaluator and whether its file holds `figures`; (NaN, "") where it is not at hand."""
    if options.official is None:
        return float("nan"), ""
    if not options.official.is_file():
        raise InputError(f"{options.official}: no such file; name eval.py of the official evaluator")
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "metrics.json"
        paths = {"--submission_path": options.submission, "--gt_path": options.annotations, "--save_path": saved}
        command = [sys.executable, str(options.official), *(str(part) for pair in paths.items() for part in pair)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode or not saved.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{options.official}: ended with status {done.returncode} ({last}); try it by hand")
        return seconds, "yes" if json.loads(saved.read_text()) == figures else "no"


if __name__ == "__main__":
    run(Options, main, __doc__)
