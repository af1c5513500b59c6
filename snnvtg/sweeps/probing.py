"""What one model of a sweep costs, measured before it is trained: a few steps, a batch of evaluation, a few queries."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snnvtg import memory
from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.errors import InputError, first_line
from snnvtg.models import GroundingModel
from snnvtg.neurons import set_backend
from snnvtg.sweeps.measurement import Accuracy, accuracy, cost
from snnvtg.sweeps.measures import MEASURES
from snnvtg.sweeps.status import peak_mb, reset_peak
from snnvtg.sweeps.trial import Inference
from snnvtg.training import load_checkpoint, train
from snnvtg.training.watching import Watcher

if TYPE_CHECKING:
    from snnvtg.sweeps.jobs import Job

STEPS, EPOCHS = 3, 3
"""of the training that is timed; its first epoch warms up"""
LONG = 20.0
"""seconds after which two epochs have to do"""
EVALUATED, COUNTED = 64, 8
"""queries whose answers, and whose operations, are timed"""
LINE, ROW, CONTROL = 50, 450, 180
"""letters of a query's line beside its figures, of a model's row in the table, and of a control's"""


@dataclass(frozen=True)
class Cost:
    """What one model costs; seconds, megabytes; None where the system does not say."""

    source: str
    """where the figures are from: measured, or recorded"""
    step: float | None = None
    """seconds of a training step"""
    epoch: float = 0.0
    """seconds of an epoch with its validation and checkpoints"""
    fit: float = 0.0
    """seconds before the first epoch"""
    measuring: float = 0.0
    """seconds after the last"""
    peak_mb: float | None = None
    kept_mb: float = 0.0
    """the checkpoint that stays"""
    training_mb: float = 0.0
    """the checkpoints there are while it is trained"""
    table_mb: float = 0.0
    """rows and queries in the tables, for each row the model stands in"""
    busy: float = 1.0
    """processor time in a second: less than 1 where the machine did other work as well, or a GPU did this"""

    def seconds(self, epochs: int) -> float:
        """Training for so many epochs, and measuring."""
        return (self.fit if epochs else 0.0) + epochs * self.epoch + self.measuring


@dataclass(frozen=True)
class Failure:
    """Why a model could not be measured."""

    why: str


def probe(job: "Job", *, device: str, measures: Sequence[str] = ()) -> Cost | Failure:
    """Time and weigh the job on `device` as it would be run; a Failure where its training cannot even begin."""
    try:
        return _probe(job, device, measures)
    except InputError as error:
        return Failure(first_line(error))


def _probe(job: "Job", device: str, measures: Sequence[str]) -> Cost:
    data, recipe = job.data.load(), job.recipe
    if device == "cpu":
        memory.keep_freed_memory()  # as training does
    reset_peak(device)
    began, processor = time.perf_counter(), time.process_time()
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    model.fit(data.train)
    fit = time.perf_counter() - began
    model.to(device)
    few = replace(data, train=_blocks(data.train, recipe.training.batch_size), val=_evaluated(model, data.val))
    with tempfile.TemporaryDirectory() as folder:
        epoch = _epoch_seconds(job, few, Path(folder), device)
        kept, training, saving = _checkpoints(Path(folder), recipe.model_class)
    validating, _ = _timed_accuracy(model, few.val, device)
    steps = -(-len(few.train) // recipe.training.batch_size)
    step = max(0.0, epoch - validating - saving) / steps
    whole = step * -(-len(data.train) // recipe.training.batch_size)
    whole += validating * len(data.val) / len(few.val) + saving
    measuring, table = _measuring(job, model, data, device, measures)
    busy = (time.process_time() - processor) / (time.perf_counter() - began)
    return Cost("measured", step, whole, fit, measuring, peak_mb(device), kept, training, table, busy)


def _blocks(train: GroundingDataset, batch_size: int) -> GroundingDataset:
    """A few batches from all over the split, the queries of each as near to one another as they lie."""
    if len(train) <= STEPS * batch_size:
        return train
    starts = np.linspace(0, len(train) - batch_size, STEPS).astype(int)
    return train.subset([start + i for start in starts for i in range(batch_size)])


def _evaluated(model: GroundingModel, split: GroundingDataset) -> GroundingDataset:
    """A batch from all over the split; all of it where every video is ranked, which takes what it takes."""
    if model.needs.every_video or len(split) <= EVALUATED:
        return split
    return split.subset(np.linspace(0, len(split) - 1, EVALUATED).astype(int).tolist())


class _Enough(Exception):
    """Ends a training that has been timed."""


def _epoch_seconds(job: "Job", few: DataSplits, folder: Path, device: str) -> float:
    """Median seconds of an epoch, the first left out; two epochs have to do where they take long."""
    ends = [time.perf_counter()]

    def ended(epoch: int, figures: object) -> None:
        ends.append(time.perf_counter())
        if ends[-1] - ends[0] > LONG and epoch > 1:
            raise _Enough

    recipe = replace(job.recipe, training=replace(job.recipe.training, epochs=EPOCHS))
    with suppress(_Enough):
        watch = Watcher(ended, lambda model: nullcontext({}))
        train(recipe, few, seed=job.seed, folder=folder, device=device, quiet=True, watch=watch)
    return float(np.median(np.diff(ends)[1:]))


def _checkpoints(folder: Path, cls: type[GroundingModel]) -> tuple[float, float, float]:
    """Megabytes of the checkpoint that stays and of those while training, and seconds of saving those."""
    sizes = {name: (folder / name).stat().st_size / 1e6 for name in ("best.pt", "last.pt")}
    best = load_checkpoint(folder / "best.pt", cls)
    began = time.perf_counter()
    best.save(folder / "again.pt")
    seconds = time.perf_counter() - began
    return sizes["best.pt"], sum(sizes.values()), seconds * sum(sizes.values()) / sizes["best.pt"]


def _timed_accuracy(model: GroundingModel, split: GroundingDataset, device: str) -> tuple[float, Accuracy]:
    began = time.perf_counter()
    found = accuracy(model, split, device)
    return time.perf_counter() - began, found


def _measuring(
    job: "Job", model: GroundingModel, data: DataSplits, device: str, measures: Sequence[str]
) -> tuple[float, float]:
    """Seconds of every measurement of the job, and megabytes of a row in its tables."""
    own, seconds, size = model.num_timesteps, 0.0, 0.0
    for inference, controls in job.measured:
        model.num_timesteps = inference.num_timesteps or own
        set_backend(model, inference.backend)
        split = getattr(data, inference.split)
        some = _evaluated(model, split)
        taken, found = _timed_accuracy(model, some, device)
        seconds += taken * len(split) / len(some) * (1 + len(controls))
        size = _row_megabytes(found, len(some)) * len(split) + (ROW + CONTROL * len(controls)) / 1e6
        seconds += _counting(model, split, device)
        seconds += sum(_timed_measure(name, model, data, inference, job, device) for name in measures)
    return seconds, size


def _counting(model: GroundingModel, split: GroundingDataset, device: str) -> float:
    few = split.subset(np.linspace(0, len(split) - 1, min(COUNTED, len(split))).astype(int).tolist())
    cost(model, few.subset([0]), device)
    began = time.perf_counter()
    cost(model, few, device)
    return (time.perf_counter() - began) * len(split) / len(few)


def _timed_measure(
    name: str, model: GroundingModel, data: DataSplits, inference: Inference, job: "Job", device: str
) -> float:
    began = time.perf_counter()
    MEASURES[name](model, data, inference.split, job.recipe.training, device)
    return time.perf_counter() - began


def _row_megabytes(found: Accuracy, queries: int) -> float:
    """Megabytes of a query's line in the table of queries."""
    letters = sum(
        2 * queries if np.all((values == 0) | (values == 1)) else sum(len(f"{float(value)},") for value in values)
        for values in found.per_query.values()
    )
    return (letters / queries + LINE) / 1e6
