"""The time-step sweep: accuracy, firing rate and energy against T, with and without relevant slots."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from snnvtg.data import DataSplits
from snnvtg.errors import InputError
from snnvtg.metrics import fit_prior, prior_predictions, retrieval_metrics
from snnvtg.neurons import set_backend
from snnvtg.neurons.backends import choose
from snnvtg.neurons.backends.base import Neuron
from snnvtg.studies.linear import linear_predictions
from snnvtg.studies.measure import accuracy, cost, parameter_count
from snnvtg.studies.parallel import in_processes
from snnvtg.studies.runs import MEASURING, code_digest, trained
from snnvtg.studies.table import ResultsTable
from snnvtg.training import Preset

KEY = ("model", "split", "backend", "slots", "num_timesteps", "seed")
COLUMNS = [
    "model",
    "data",
    "split",
    "backend",
    "slots",
    "num_timesteps",
    "seed",
    "R1@0.3",
    "R1@0.5",
    "R1@0.7",
    "mIoU",
    "firing_rate",
    "synops",
    "macs",
    "energy_pj",
    "parameters",
    "seconds",
    "best_epoch",
    "energy_mac_pj",
    "energy_ac_pj",
    "energy_other_pj",
    "coverage",
]


@dataclass(frozen=True)
class TimestepSweep:
    """The grid. Every job trains (or finds) one model and measures it on `split`."""

    preset: Preset
    timesteps: tuple[int, ...] = (1, 2, 4, 8)
    seeds: tuple[int, ...] = (0,)
    slots: Literal["with", "without", "both"] = "both"
    backend: str = "auto"
    mode: Literal["retrain", "inference"] = "retrain"
    """retrain: a model for each T, as in the paper's Figure 3; inference: the preset's T, read out at each T"""
    split: Literal["val", "test"] = "test"

    def __post_init__(self):
        for value in self.timesteps:
            if value < 1:
                raise InputError(f"timesteps: expected whole numbers of at least 1, got {value}")
        for name in ("timesteps", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise InputError(f"{name}: expected distinct numbers, at least one, got {list(values)}")

    def jobs(self) -> Iterator["Job"]:
        """One job for each model to train."""
        kinds = {"with": ["with"], "without": ["without"], "both": ["with", "without"]}[self.slots]
        for seed in self.seeds:
            for slots in kinds:
                if self.mode == "inference":
                    yield Job(self, slots, self.preset.model.num_timesteps, self.timesteps, seed)
                else:
                    for steps in self.timesteps:
                        yield Job(self, slots, steps, (steps,), seed)


@dataclass(frozen=True)
class Job:
    """Train at `trained_at` steps, measure at each of `timesteps`."""

    sweep: TimestepSweep
    slots: str
    trained_at: int
    timesteps: tuple[int, ...]
    seed: int

    def model_config(self) -> Any:
        """The preset's model at this T, with or without slots."""
        model = self.sweep.preset.model
        num_slots = model.num_slots if self.slots == "with" else 0
        return dataclasses.replace(model, num_slots=num_slots, num_timesteps=self.trained_at)


def run_sweep(
    sweep: TimestepSweep,
    load: Callable[[], DataSplits],
    out: Path,
    runs: Path,
    *,
    device: str = "cpu",
    workers: int = 1,
) -> ResultsTable:
    """Run every unfinished job, `workers` at once, and write `out` after each; returns the whole table."""
    started = time.monotonic()
    backend = choose(sweep.backend, Neuron(sweep.preset.model.lif, None), device.split(":")[0]).name
    data = load()
    identity = {"study": "timestep_sweep", "data": data.name, "checksum": data.checksum, "preset": sweep.preset}
    identity |= {"mode": sweep.mode, "split": sweep.split, "code": code_digest(), "measuring": code_digest(MEASURING)}
    table = ResultsTable(out, identity, KEY, COLUMNS)
    details = {"data": data.name, "data_checksum": data.checksum, "backend": backend, "sweep": sweep}

    def add(rows: list[dict[str, Any]]) -> None:
        table.add(rows, wall_seconds=round(time.monotonic() - started, 1), **details)

    for row in untrained_rows(data, sweep):
        if not table.holds(**_key(row["model"], sweep.split)):
            add([row])
    jobs = [job for job in sweep.jobs() if not _finished(table, job, backend)]
    work = functools.partial(run_job, backend=backend, runs=runs, device=device)
    for rows in in_processes(work, jobs, load, workers):
        add(rows)
    return table


def run_job(data: DataSplits, job: Job, *, backend: str, runs: Path, device: str) -> list[dict[str, Any]]:
    """The rows of one job: `spikemba` and `shuffled-query` at each T."""
    started = time.monotonic()
    sweep = job.sweep
    config = job.model_config()
    checkpoint = trained(runs, "spikemba", config, sweep.preset.training, data, seed=job.seed, device=device)
    model = checkpoint.build().to(device)
    set_backend(model, backend)
    split = getattr(data, sweep.split)
    shuffled = split.with_shuffled_text(job.seed)
    rows = []
    for steps in job.timesteps:
        model.num_timesteps = steps
        common = {
            "data": data.name, "split": sweep.split, "backend": backend, "slots": job.slots, "num_timesteps": steps,
            "seed": job.seed, "parameters": parameter_count(model), "best_epoch": checkpoint.progress["best_epoch"],
        }  # fmt: skip
        measured = {**accuracy(model, split, device), **cost(model, split, device)}
        rows.append({"model": "spikemba", **common, **measured})
        rows.append({"model": "shuffled-query", **common, **accuracy(model, shuffled, device)})
        for row in rows[-2:]:
            row["seconds"] = round(time.monotonic() - started, 1)
    return rows


def untrained_rows(data: DataSplits, sweep: TimestepSweep) -> Iterator[dict[str, Any]]:
    """`prior`, the best fixed window of the training set, looking at neither video nor query; and `linear`, the linear
    alignment of words and clips alone, where the preset's model reads it."""
    split, model = getattr(data, sweep.split), sweep.preset.model
    answers = {"prior": prior_predictions(split.queries, fit_prior(data.train.queries))}
    if model.alignment == "ridge":
        answers["linear"] = linear_predictions(data, split, model.alignment_ridge)
    for name, predictions in answers.items():
        figures = retrieval_metrics(predictions, split.queries)
        yield {"model": name, "data": data.name, "split": sweep.split, **figures}


def _finished(table: ResultsTable, job: Job, backend: str) -> bool:
    return all(
        table.holds(**_key(model, job.sweep.split, backend, job.slots, steps, job.seed))
        for model in ("spikemba", "shuffled-query")
        for steps in job.timesteps
    )


def _key(*values: Any) -> dict[str, Any]:
    return dict(zip(KEY, values, strict=False))
