"""Cross-validation over the training videos: settings are compared without opening the test split.

A validation split of a few hundred queries scatters by more than most settings change. Here every training query is
answered once, by a model that has not seen its video; the validation split keeps its one task, to choose the epoch.
`seconds` is the wall time of training and answering; of a model found trained in `runs`, of answering alone.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.errors import InputError
from snnvtg.metrics.recall import per_query_iou, recall_summary
from snnvtg.studies.checks import check_device, check_selection
from snnvtg.studies.parallel import in_processes
from snnvtg.studies.runs import code_digest, trained
from snnvtg.studies.table import ResultsTable
from snnvtg.training import Preset, evaluate

KEY = ("seed", "fold")
COLUMNS = ("data", "split", "seed", "fold", "queries", "R1@0.3", "R1@0.5", "R1@0.7", "mIoU", "best_epoch", "seconds")


@dataclass(frozen=True)
class Job:
    """Train without one fold, answer its queries."""

    fold: int
    seed: int


def run_folds(
    preset: Preset,
    load: Callable[[], DataSplits],
    out: Path,
    runs: Path,
    *,
    folds: int = 4,
    seeds: tuple[int, ...] = (0,),
    device: str = "cpu",
    workers: int = 1,
) -> ResultsTable:
    """Run every unfinished fold of every seed, `workers` at once; `out` grows by a row each."""
    started = time.monotonic()
    check_device(device)
    data = load()
    check_selection(preset.training.select_on, data)
    fold_of(data.train, folds)  # refuses too few videos before anything runs
    identity = {"study": "cross_validation", "data": data.name, "checksum": data.checksum, "preset": preset}
    table = ResultsTable(out, {**identity, "folds": folds, "code": code_digest()}, KEY, COLUMNS)
    jobs = [Job(fold, seed) for seed in seeds for fold in range(folds)]
    jobs = [job for job in jobs if not table.holds(**dataclasses.asdict(job))]
    work = functools.partial(_run, preset=preset, folds=folds, runs=runs, device=device)
    for row in in_processes(work, jobs, load, workers):
        table.add([row], wall_seconds=round(time.monotonic() - started, 1), data_checksum=data.checksum)
    return table


def without_fold(data: DataSplits, fold: int, folds: int) -> DataSplits:
    """`data` with one fold of the training videos in place of the test split."""
    held_out = fold_of(data.train, folds) == fold
    kept, answered = (data.train.subset(np.flatnonzero(part)) for part in (~held_out, held_out))
    name = f"{data.name} without fold {fold + 1} of {folds}"
    return dataclasses.replace(
        data, train=kept, test=answered, name=name, checksum=f"{data.checksum}-{fold + 1}-{folds}"
    )


def fold_of(dataset: GroundingDataset, folds: int) -> np.ndarray:
    """The fold (Q,) of every query; a video's queries share one, and folds have equal numbers of videos."""
    vids = [query.vid for query in dataset.queries]
    names = sorted(set(vids))
    if not 2 <= folds <= len(names):
        raise InputError(f"folds: expected 2 to {len(names)}, the number of training videos, got {folds}")
    shuffled = np.random.default_rng(0).permutation(len(names))
    place = {names[index]: rank % folds for rank, index in enumerate(shuffled)}
    return np.array([place[vid] for vid in vids])


def _run(data: DataSplits, job: Job, *, preset: Preset, folds: int, runs: Path, device: str) -> dict[str, Any]:
    started = time.monotonic()
    part = without_fold(data, job.fold, folds)
    checkpoint = trained(runs, "spikemba", preset.model, preset.training, part, seed=job.seed, device=device)
    predictions = evaluate(checkpoint.build().to(device), part.test, device=device)[1]
    iou = per_query_iou(predictions, part.test.queries)
    return {
        "data": data.name,
        "split": "train, held out",
        **dataclasses.asdict(job),
        "queries": len(iou),
        **recall_summary(iou),
        "best_epoch": checkpoint.progress["best_epoch"],
        "seconds": round(time.monotonic() - started, 1),
    }
