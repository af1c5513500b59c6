"""Models in processes of this machine, one thread each; this process alone writes the tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.jobs import Outcome
from snnvtg.sweeps.processes import in_processes
from snnvtg.sweeps.request import SweepRequest, unfinished
from snnvtg.sweeps.results import SweepTable


@dataclass(frozen=True)
class LocalPool:
    """`workers` models at once."""

    workers: int = 1
    shares_tables: ClassVar[bool] = False
    runs_elsewhere: ClassVar[bool] = False

    def run(self, request: SweepRequest, tables: Sequence[SweepTable], watch: Watch) -> None:
        """Run what is unfinished; the tables grow with each model."""
        jobs = unfinished(tables)
        watch.declared(jobs)
        outcomes = in_processes(
            request.run, jobs, self.workers, lost=lambda job, why: Outcome(job, failure=why), started=watch.started
        )
        for outcome in outcomes:
            for table in tables:
                table.add(outcome)
            watch.ended(outcome)
