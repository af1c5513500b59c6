"""Which video holds the moment? Scores every query of a split against every video of it (PRVR).

    python experiments/tools/video_retrieval.py --checkpoint best.pt --data FOLDER --queries 100 --out prvr.csv

Prints R@1, R@5, R@10, R@100 and SumR in percent, ties read against the model, beside what guessing gives. Queries ×
videos passes; 100 queries against 300 videos take minutes on a CPU. A model trained within videos only has never
seen a query beside a video it does not belong to: expect little. `--submission` writes the ranking of every query,
which `experiments/evaluate.py --task video_retrieval` scores against the same queries.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from snnvtg.cli.command import run
from snnvtg.cli.options import CheckpointOptions, DataOptions
from snnvtg.errors import InputError
from snnvtg.files import check_writable


@dataclass(frozen=True)
class Options(CheckpointOptions, DataOptions):  # `load` is the checkpoint's
    """Retrieve videos."""

    split: Literal["val", "test"] = "test"
    queries: int | None = None
    """only the first so many, against the videos of these; none: all"""
    batch_size: int = 32
    backend: str = "auto"
    """LIF backend"""
    out: Path | None = None
    """CSV of the figures, with its provenance beside it"""
    submission: Path | None = None
    """jsonl of each query's videos, best first with their scores"""

    def check(self) -> None:
        """InputError for numbers below 1."""
        super().check()
        for name in ("queries", "batch_size"):
            if (given := getattr(self, name)) is not None and given < 1:
                raise InputError(f"{name} is {given}; expected at least 1")


def main(options: Options) -> None:
    """Score and print."""
    import pandas as pd

    from snnvtg.data.video_rankings import write_video_rankings
    from snnvtg.metrics.video_retrieval import RANKS, relevance, video_retrieval_metrics
    from snnvtg.neurons import set_backend
    from snnvtg.reporting import provenance, write_csv, write_json
    from snnvtg.terminal import table_text
    from snnvtg.training.evaluation import video_scores

    for path in filter(None, (options.out, options.submission)):
        check_writable(path)
    checkpoint, data = options.trained(), options.source.load()
    checkpoint.require(data, options.file())
    dataset = getattr(data, options.split)
    dataset = dataset.subset(range(len(dataset))[: options.queries])
    model = checkpoint.build()
    set_backend(model, options.backend)
    scores, vids = video_scores(model, dataset, batch_size=options.batch_size)
    figures = video_retrieval_metrics(scores, relevance([query.vid for query in dataset.queries], vids))
    guessing = {f"R@{rank}": 100 * min(rank / len(vids), 1) for rank in RANKS}
    guessing["SumR"] = sum(guessing.values())
    table = pd.DataFrame({"metric": list(figures), "model": figures.values(), "guessing": guessing.values()})
    print(f"{data.name}, {options.split}: {len(dataset)} queries, {len(vids)} videos")
    print(table_text(table, "{:.2f}".format))
    if options.submission:
        rankings = [dict(zip(vids, row, strict=True)) for row in scores.tolist()]
        write_video_rankings(dataset.queries, rankings, options.submission)
    if options.out:
        write_csv(table, options.out)
        write_json(provenance(config=options, checksum=data.checksum), options.out.with_suffix(".json"))


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
