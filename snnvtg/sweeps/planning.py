"""What a sweep will cost, before anything runs: models, hours, memory and disk; afterwards, how right that was."""

import heapq
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from snnvtg.errors import InputError
from snnvtg.reporting import device_description
from snnvtg.sweeps.declaration import measures_of
from snnvtg.sweeps.engine import check_rows
from snnvtg.sweeps.jobs import Job, merged_jobs
from snnvtg.sweeps.probing import Cost, Failure, probe
from snnvtg.sweeps.processes import in_processes
from snnvtg.sweeps.progress import job_name
from snnvtg.sweeps.request import SweepRequest
from snnvtg.sweeps.runs import run_folder
from snnvtg.sweeps.status import Status, cost_group, read_status

LEFT_OVER = 6
"""checkpoints that a model in training is as large as: weights, their average, two moments, the best ones twice"""


@dataclass(frozen=True)
class PlannedModel:
    """One model to train and measure, or only to measure."""

    job: Job
    name: str
    folder: str
    group: str
    epochs_left: int
    """0 where it is trained"""
    rows: int
    """of the tables that it stands in, its controls apart"""


@dataclass(frozen=True)
class Plan:
    """Everything that is known before a sweep runs."""

    tables: tuple[str, ...]
    """their names"""
    rows: int
    """declared rows times seeds"""
    rows_there: int
    models: tuple[PlannedModel, ...]
    """that the other rows need, each once"""
    costs: Mapping[str, Cost | Failure] = field(default_factory=dict)
    """by group; a group that was not measured is missing"""
    start_seconds: float = 0.0
    """until a worker has its libraries and its data"""
    workers: int = 1

    @property
    def groups(self) -> dict[str, list[PlannedModel]]:
        """The models of equal cost."""
        found: dict[str, list[PlannedModel]] = {}
        for model in self.models:
            found.setdefault(model.group, []).append(model)
        return found

    @cached_property
    def known(self) -> dict[str, Cost]:
        """What was measured or recorded, by group."""
        return {group: cost for group, cost in self.costs.items() if isinstance(cost, Cost)}

    @property
    def trained(self) -> int:
        """Models that only have to be measured."""
        return sum(not model.epochs_left for model in self.models)

    @property
    def begun(self) -> int:
        """Models of which some epochs are done."""
        return sum(0 < model.epochs_left < model.job.recipe.training.epochs for model in self.models)

    def seconds(self, model: PlannedModel) -> float:
        """Of one worker; the median of the other groups where its own is not known."""
        if model.group in self.known:
            return self.known[model.group].seconds(model.epochs_left)
        return statistics.median(cost.seconds(model.epochs_left) for cost in self.known.values())

    @cached_property
    def each(self) -> dict[str, float]:
        """Seconds of every model, by folder."""
        return {model.folder: self.seconds(model) for model in self.models} if self.known else {}

    @property
    def total(self) -> float:
        """Seconds of all workers together, their start apart."""
        return sum(self.each.values())

    @property
    def processor_total(self) -> float:
        """Processor seconds among them."""
        usual = statistics.median(cost.busy for cost in self.known.values()) if self.known else 1.0
        busy = {group: cost.busy for group, cost in self.known.items()}
        return sum(self.each[model.folder] * busy.get(model.group, usual) for model in self.models)

    def wall(self, workers: int) -> float:
        """Seconds until the last of `workers` is done, who take the models in order."""
        free = [self.start_seconds] * max(1, min(workers, len(self.models)))
        for seconds in self.each.values():
            heapq.heapreplace(free, free[0] + seconds)
        return max(free) if self.models else 0.0

    @property
    def peak_mb(self) -> float | None:
        """Memory of the worker that needs most."""
        return max((cost.peak_mb for cost in self.known.values() if cost.peak_mb is not None), default=None)

    @property
    def memory_mb(self) -> float | None:
        """Memory of all workers, each at its peak."""
        return None if self.peak_mb is None else self.peak_mb * min(self.workers, max(1, len(self.models)))

    @property
    def models_mb(self) -> float:
        """Disk that the models not yet trained will take."""
        return sum(self._megabytes("kept_mb", model) for model in self.models if model.epochs_left)

    @property
    def tables_mb(self) -> float:
        """Disk that the rows will take."""
        return sum(self._megabytes("table_mb", model) * model.rows for model in self.models)

    @property
    def most_mb(self) -> float:
        """Disk at most: all of it, and what models in training hold."""
        training = [self._megabytes("training_mb", model) for model in self.models if model.epochs_left]
        return self.models_mb + self.tables_mb + sum(sorted(training)[-self.workers :])

    def _megabytes(self, name: str, model: PlannedModel) -> float:
        known = self.known.get(model.group)
        found = [getattr(cost, name) for cost in ([known] if known else self.known.values())]
        return statistics.median(found) if found else 0.0


def counted(request: SweepRequest, *, out: Path, workers: int = 1) -> Plan:
    """The plan without its costs: rows and models, and what is there already; nothing is written.

    Tables are named by where they are in the folder `out`.
    """
    sweeps, runs, measures = request.sweeps, request.runs, measures_of(request.sweeps)
    for sweep, base in zip(sweeps, request.bases, strict=True):
        check_rows(sweep, sweep.trials(base), base, request.device)
    tables = request.tables()
    wanted = [found for table in tables for found in table.unfinished()]
    models = []
    for job in merged_jobs(wanted):
        folder = run_folder(runs, job.recipe, job.data.load(), job.seed)
        rows = sum((trial.recipe, trial.data, seed) == (job.recipe, job.data, job.seed) for trial, seed, _ in wanted)
        left = _epochs_left(folder, job.recipe.training.epochs)
        models.append(PlannedModel(job, job_name(tables, job), folder.name, cost_group(job, measures), left, rows))
    rows = sum(len(sweep.rows) * len(sweep.seeds) for sweep in sweeps)
    names = tuple(path.relative_to(out).with_suffix("").as_posix() for path in request.paths)
    return Plan(names, rows, rows - len(wanted), tuple(models), workers=workers)


def _epochs_left(folder: Path, epochs: int) -> int:
    if (folder / "finished.pt").is_file():
        return 0
    status = read_status(folder) if (folder / "last.pt").is_file() else None
    return epochs if status is None else max(1, epochs - status.epoch)


def costed(plan: Plan, request: SweepRequest, *, seconds: float = 300.0) -> Plan:
    """The plan with what each group of models costs: as recorded in its runs, else measured, the largest groups first.

    Measuring ends after `seconds`; InputError where nothing could be measured at all.
    """
    device, measures = request.device, measures_of(request.sweeps)
    found: dict[str, Cost | Failure] = recorded(request.runs, device, plan.groups)
    waiting = sorted((g for g in plan.groups if g not in found), key=lambda g: -len(plan.groups[g]))
    began = time.monotonic()
    jobs = [_Numbered(place, plan.groups[group][0].job) for place, group in enumerate(waiting)]
    work = partial(_numbered, partial(probe, device=device, measures=measures))
    # as many at once as there will be workers, so that they disturb one another as those will
    for place, cost in in_processes(work, jobs, min(plan.workers, os.cpu_count() or 1), lost=_lost):
        found[waiting[place]] = cost
        if time.monotonic() - began > seconds:
            break
    if plan.models and not any(isinstance(cost, Cost) for cost in found.values()):
        failures = [cost.why for cost in found.values() if isinstance(cost, Failure)]
        raise InputError(f"no model could be measured: {failures[0] if failures else 'no time was left for one'}")
    start = _start_seconds(plan.models[0].job) if plan.models else 0.0
    return replace(plan, costs=found, start_seconds=start)


@dataclass(frozen=True)
class _Numbered:
    place: int
    job: Job


def _numbered(work: partial, numbered: _Numbered) -> tuple[int, Cost | Failure]:
    return numbered.place, work(numbered.job)


def _lost(numbered: _Numbered, why: str) -> tuple[int, Failure]:
    return numbered.place, Failure(why)


def _start_seconds(job: Job) -> float:
    began = time.monotonic()
    list(in_processes(_loaded, [job], 1, lost=lambda job, why: 0))
    return time.monotonic() - began


def _loaded(job: Job) -> int:
    return len(job.data.load().train)


def recorded(runs: Path, device: str, groups: Sequence[str]) -> dict[str, Cost]:
    """What finished models of these groups in `runs` took on this kind of machine and device, medians by group."""
    here, found = device_description(), {}
    for file in sorted(runs.glob("*/status.json")):
        status = read_status(file.parent)
        fits = status is not None and (status.machine, status.device.split(":")[0]) == (here, device.split(":")[0])
        if fits and status.state == "finished" and status.train_seconds and status.group in groups:
            found.setdefault(status.group, []).append((status, _megabytes(file.parent / "finished.pt")))
    return {group: _median(several) for group, several in found.items()}


def _median(several: Sequence[tuple[Status, float]]) -> Cost:
    statuses = [status for status, _ in several]
    kept = statistics.median(size for _, size in several)
    return Cost(
        f"recorded, {len(several)} models",
        epoch=statistics.median(status.train_seconds / status.epochs for status in statuses),
        measuring=statistics.median(status.measure_seconds for status in statuses),
        peak_mb=max((status.peak_mb for status in statuses if status.peak_mb is not None), default=None),
        kept_mb=kept,
        training_mb=LEFT_OVER * kept,
        busy=statistics.median(min(1.0, status.processor_seconds / status.seconds) for status in statuses),
    )


def _megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6 if path.is_file() else 0.0
