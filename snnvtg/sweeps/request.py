"""Sweeps as asked for: all that a process on any machine needs to open their tables and to run one of their models."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snnvtg.sweeps.declaration import Sweep
from snnvtg.sweeps.jobs import Job, Outcome, merged_jobs, run_job
from snnvtg.sweeps.results import SweepTable
from snnvtg.sweeps.trial import Trial


@dataclass(frozen=True)
class SweepRequest:
    """Sweeps over a base trial, with the tables at `paths` and the trained models in the folder `runs`."""

    sweeps: tuple[Sweep, ...]
    base: Trial
    paths: tuple[Path, ...]
    runs: Path
    device: str = "cpu"
    note: str = ""
    """what was changed of the preset"""
    command: str = ""
    """what started the sweeps, where that is not the command of the process at work"""
    started: float = field(default_factory=time.time)

    def tables(self) -> list[SweepTable]:
        """The tables with what is in them by now; InputError where one belongs to other settings or code."""
        return [
            SweepTable(
                path, sweep, sweep.trials(self.base), self.base,
                started=self.started, note=self.note, command=self.command,
            )
            for path, sweep in zip(self.paths, self.sweeps, strict=True)
        ]  # fmt: skip

    def run(self, job: Job) -> Outcome:
        """Train the job's model, or find it trained, and measure it with what any of the sweeps measures."""
        measures = tuple(dict.fromkeys(name for sweep in self.sweeps for name in sweep.measures))
        return run_job(job, runs=self.runs, device=self.device, measures=measures)


def unfinished(tables: Sequence[SweepTable]) -> list[Job]:
    """The models that rows of any of the tables wait for, each once."""
    return merged_jobs([wanted for table in tables for wanted in table.unfinished()])
