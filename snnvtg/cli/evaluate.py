"""Score a submission file, any tool's, with the figures of the official evaluator.

    python experiments/evaluate.py --submission preds.jsonl --annotations highlight_val_release.jsonl --out metrics.json
    python experiments/evaluate.py --submission preds.jsonl --annotations test.jsonl --dataset charades_sta
    python experiments/evaluate.py --task video_retrieval --submission ranked.jsonl --annotations test.jsonl \\
        --dataset charades_sta

About a second for the QVHighlights val split. metrics.json has the official layout, key names and rounding;
`--per-query FILE.csv` writes each query's values beside it, and the table printed has 95 % bootstrap intervals over
videos (queries of one video are resampled together). Answers that can mean nothing (windows that are reversed, negative
or beyond their video, saliency of another length, another video's id) are counted as they are, and noted.

`--task video_retrieval` (PRVR) asks which video holds the moment: lines `{qid, pred_videos: [[vid, score], …]}`, of the
whole collection or its best part, against all videos of the annotations; ties and videos not listed count against the
tool.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from snnvtg.applications import Task
from snnvtg.cli.command import CommandOptions, run
from snnvtg.files import check_writable


@dataclass(frozen=True)
class Options(CommandOptions):
    """Score a submission file."""

    reads: ClassVar[dict[str, str]] = dict.fromkeys(
        ("submission", "annotations"), "no such file; expected a jsonl file"
    )

    submission: Path
    """jsonl with qid, pred_relevant_windows, pred_saliency_scores; for video retrieval with qid, pred_videos"""
    annotations: Path
    """jsonl of the annotated split"""
    out: Path = Path("metrics.json")
    dataset: str = "qvhighlights"
    task: Task = "grounding"
    per_query: Path | None = None
    """CSV with a row per query, values in 0 to 1"""


def main(options: Options) -> None:
    """Score, write, print."""
    import pandas as pd

    from snnvtg.applications.scoring import notes, scorer
    from snnvtg.metrics.intervals import bootstrap_interval
    from snnvtg.reporting import write_csv, write_text

    for path in filter(None, (options.out, options.per_query)):
        check_writable(path)
    kind, read, evaluation = scorer(options.dataset, options.task)
    queries = kind.read(options.annotations)
    predictions = read(options.submission)
    figures = evaluation.figures(predictions, queries)
    for line in notes(predictions, queries, kind, options.task):
        print(f"note: {line}")
    values = evaluation.per_query(predictions, queries)
    # byte for byte what the official evaluator writes
    write_text(json.dumps(figures, indent=4), options.out)
    vids = [query.vid for query in queries]
    if options.per_query:
        write_csv(pd.DataFrame({"qid": [query.qid for query in queries], "vid": vids} | values), options.per_query)
    intervals = {name: bootstrap_interval(value, vids) for name, value in values.items()}
    for name, value in figures["brief"].items():
        sure = f"  [{100 * intervals[name].low:.2f}, {100 * intervals[name].high:.2f}]" if name in intervals else ""
        print(f"{name:24}{value:8.2f}{sure}")
    print(f"{len(queries)} queries; wrote {options.out}")


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
