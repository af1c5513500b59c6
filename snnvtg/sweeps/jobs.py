"""Models to train, and what comes of them: a job, its measurements, and how one is run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from snnvtg.data import GroundingDataset
from snnvtg.data.source import DataSource
from snnvtg.errors import InputError
from snnvtg.files import FULL
from snnvtg.models import GroundingModel, Recipe, model_name
from snnvtg.neurons import set_backend
from snnvtg.sweeps.controls import under_control
from snnvtg.sweeps.measurement import Accuracy, accuracy, cost, parameter_count
from snnvtg.sweeps.measures import MEASURES
from snnvtg.sweeps.runs import run_folder, trained
from snnvtg.sweeps.status import Recorder, cost_group
from snnvtg.sweeps.trial import Inference, Trial
from snnvtg.sweeps.untrained import numbered
from snnvtg.training import Checkpoint


@dataclass(frozen=True)
class Job:
    """One model to train, and every way it is to be measured."""

    recipe: Recipe
    data: DataSource
    seed: int
    measured: tuple[tuple[Inference, tuple[str, ...]], ...]
    """how it is read out, each with the controls measured beside it"""


@dataclass(frozen=True)
class Measured:
    """One model read out one way: figures of the model, and of each control by name."""

    trial: Trial
    seed: int
    common: dict[str, Any]
    figures: dict[str, Any]
    accuracies: dict[str, Accuracy]
    """by the name of the model, then of each control"""
    queries: np.ndarray
    videos: np.ndarray
    """the number (Q,) of each query, and of its video"""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job: measurements, or why there are none."""

    job: Job
    measured: tuple[Measured, ...] = ()
    failure: str = ""


def merged_jobs(wanted: Sequence[tuple[Trial, int, tuple[str, ...]]]) -> list[Job]:
    """(trial, seed, controls) as jobs: each model once, measured once for each inference with all its controls."""
    models: dict[tuple[Recipe, DataSource, int], dict[Inference, dict[str, None]]] = {}
    for trial, seed, controls in wanted:
        inferences = models.setdefault((trial.recipe, trial.data, seed), {})
        inferences.setdefault(trial.inference, {}).update(dict.fromkeys(controls))
    return [
        Job(*model, tuple((inference, tuple(controls)) for inference, controls in inferences.items()))
        for model, inferences in models.items()
    ]


def run_job(job: Job, *, runs: Path, device: str, measures: Sequence[str] = (), loaders: int = 0) -> Outcome:
    """Train the job's model, or find it trained, and measure it; its folder says how far it is and what went wrong.

    InputError where the disk takes no more, which is no model's failure.
    `seconds` is the wall time of both, `measures` apart; of a model found trained, of measuring alone.
    """
    started = time.monotonic()
    folder = run_folder(runs, job.recipe, job.data.load(), job.seed)
    try:
        with Recorder(folder, job.recipe.training.epochs, device=device, group=cost_group(job, measures)) as recorder:
            train = partial(trained, runs, job.recipe, job.data.load(), seed=job.seed, device=device, loaders=loaders)
            return _recorded(job, recorder, started, train, device, measures)
    except OSError as error:
        if error.errno in FULL:
            said = (
                f"{error.filename or folder}: cannot be written ({error.strerror}); make room and run the same command"
            )
            raise InputError(said) from error
        raise


def is_of_the_disk(error: InputError) -> bool:
    """Whether no model is to blame: a disk is full, or may not be written to."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL


def _recorded(
    job: Job,
    recorder: Recorder,
    started: float,
    train: Callable[..., tuple[Checkpoint, Path]],
    device: str,
    measures: Sequence[str],
) -> Outcome:
    data = job.data.load()
    try:
        checkpoint, folder = train(watch=recorder.watcher)
    except InputError as error:
        if is_of_the_disk(error):
            raise
        recorder.failed(error)
        return Outcome(job, failure=str(error))
    recorder.measuring()
    model = checkpoint.build().to(device)
    common = {
        "data": data.name,
        "parameters": parameter_count(model),
        "best_epoch": checkpoint.progress["best_epoch"],
        "run": folder.name,
    }
    own_timesteps, found, apart = model.num_timesteps, [], 0.0
    for inference, controls in job.measured:
        model.num_timesteps = inference.num_timesteps or own_timesteps
        figures, accuracies = measure_model(
            model, getattr(data, inference.split), inference, controls, job.seed, device
        )
        trial = Trial(job.recipe, job.data, inference)
        numbers = numbered(trial, getattr(data, inference.split))
        done = time.monotonic()
        also = {"split": inference.split, "seconds": round(done - started - apart, 1)}
        for measure in measures:
            figures |= MEASURES[measure](model, data, inference.split, job.recipe.training, device)
        apart += time.monotonic() - done
        found.append(Measured(trial, job.seed, {**common, **also}, figures, accuracies, *numbers))
    return Outcome(job, tuple(found))


def measure_model(
    model: GroundingModel,
    split: GroundingDataset,
    inference: Inference,
    controls: Sequence[str],
    seed: int,
    device: str,
) -> tuple[dict[str, Any], dict[str, Accuracy]]:
    """What a query costs, and the accuracy of the model on its split and under each control."""
    set_backend(model, inference.backend)
    found = {model_name(type(model)): accuracy(model, split, device)}
    figures = cost(model, split, device)
    for control in controls:
        with under_control(model, split, control, seed) as asked:
            found[control] = accuracy(model, asked, device)
    return figures, found
