"""Sweeps as asked for: all that a process on any machine needs to open their tables and to run one of their models."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snnvtg.leases import Lease
from snnvtg.sweeps.declaration import Sweep, measures_of
from snnvtg.sweeps.jobs import Job, Outcome, merged_jobs, run_job
from snnvtg.sweeps.results import SweepTable
from snnvtg.sweeps.runs import run_folder
from snnvtg.sweeps.trial import Trial


@dataclass(frozen=True)
class SweepRequest:
    """Sweeps with the tables at `paths`, and the trained models in the folder `runs`."""

    sweeps: tuple[Sweep, ...]
    bases: tuple[Trial, ...]
    """what each of them changes something of"""
    paths: tuple[Path, ...]
    runs: Path
    device: str = "cpu"
    note: str = ""
    """what was changed of the preset"""
    command: str = ""
    """what started the sweeps, where that is not the command of the process at work"""
    started: float = field(default_factory=time.time)
    loaders: int = 0
    """processes that make the batches of a model ahead of time"""

    def tables(self) -> list[SweepTable]:
        """The tables with what is in them by now; InputError where one belongs to other settings or code."""
        return [
            SweepTable(
                path, sweep, sweep.trials(base), base, started=self.started, note=self.note, command=self.command
            )
            for path, sweep, base in zip(self.paths, self.sweeps, self.bases, strict=True)
        ]

    @property
    def folder(self) -> Path:
        """Where jobs of a cluster and their logs are kept: one folder for each set of tables."""
        places = "\n".join(str(path.resolve()) for path in self.paths)
        names = "-".join(path.stem for path in self.paths)
        return self.runs / "cluster" / f"{names:.60}-{hashlib.sha256(places.encode()).hexdigest()[:8]}"

    def model_folder(self, job: Job) -> Path:
        """The folder of the job's model."""
        return run_folder(self.runs, job.recipe, job.data.load(), job.seed)

    def claim(self, job: Job, seconds: float) -> Lease:
        """The lease of the job's model: whoever holds it trains and measures it."""
        return Lease(self.model_folder(job) / "claim.json", seconds)

    def run(self, job: Job) -> Outcome:
        """Train the job's model, or find it trained, and measure it with what any of the sweeps measures."""
        measures = measures_of(self.sweeps)
        return run_job(job, runs=self.runs, device=self.device, measures=measures, loaders=self.loaders)


def declared(tables: Sequence[SweepTable]) -> list[Job]:
    """The models of all rows of the tables, each once."""
    return merged_jobs([asked for table in tables for asked in table.declared()])


def unfinished(tables: Sequence[SweepTable]) -> list[Job]:
    """The models that rows of any of the tables wait for, each once."""
    return merged_jobs([wanted for table in tables for wanted in table.unfinished()])


def awaited(tables: Sequence[SweepTable]) -> list[Job]:
    """Those that are unfinished and have not failed: they are running somewhere, or are to be run."""
    return [job for job in unfinished(tables) if not failure(tables, job)]


def failure(tables: Sequence[SweepTable], job: Job) -> str:
    """Why a model has no figures, where a table has that on record."""
    return next(filter(None, (table.failure(job) for table in tables)), "")
