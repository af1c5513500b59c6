"""Workers on any number of machines that share a folder: each takes the lease of a model nobody is at, and runs it.

The same command is started on every machine. A worker that died holds its model until the lease expires; then another
goes on from the last finished epoch.
"""

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from snnvtg.errors import InputError
from snnvtg.leases import Lease, abandoned_here
from snnvtg.sweeps.executors.claiming import run_held
from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.jobs import Job, Outcome
from snnvtg.sweeps.processes import in_processes
from snnvtg.sweeps.request import SweepRequest, awaited, unfinished
from snnvtg.sweeps.results import SweepTable

LOOK = 2.0
"""seconds between two looks at what the others do"""


@dataclass(frozen=True)
class SharedWorkers:
    """`workers` of this machine among those of others."""

    workers: int = 1
    lease: float = 60.0
    """seconds after which a worker that renewed nothing is taken for dead"""
    shares_tables: ClassVar[bool] = True
    runs_elsewhere: ClassVar[bool] = False

    def run(self, request: SweepRequest, tables: Sequence[SweepTable], watch: Watch) -> None:
        """Work until every model of the tables is finished, whoever finishes it, or has failed."""
        for table in tables:
            table.keep_declaration()  # others see whose tables these are
            table.forget_failures(unfinished(tables))
        jobs = awaited(tables)
        watch.declared(jobs)
        while jobs:
            before = len(jobs)
            died = list(self._serving(request, len(jobs)))
            for table in tables:
                table.refresh()
            self._record(request, tables, died, watch)
            jobs = awaited(tables)
            if jobs and died and len(jobs) == before:
                raise InputError(f"{len(jobs)} models are unfinished and no worker here lives: {died[0]}")

    def _serving(self, request: SweepRequest, jobs: int) -> Iterator[str]:
        """Serve in processes; why each process that was killed is gone."""
        slots = range(min(self.workers, jobs))
        work = functools.partial(serve, request, self.lease)
        for why in in_processes(work, slots, self.workers, lost=lambda slot, why: why):
            if why:
                yield why

    def _record(self, request: SweepRequest, tables: Sequence[SweepTable], died: Sequence[str], watch: Watch) -> None:
        """A model that workers of this machine were killed over, and that none of them took again, has failed."""
        for job in unfinished(tables) if died else ():
            if abandoned_here(request.claim(job, self.lease).path):
                outcome = Outcome(job, failure=died[0])
                for table in tables:
                    table.add(outcome)
                watch.ended(outcome)


def serve(request: SweepRequest, seconds: float, slot: int) -> str:
    """Take and run one model after the other until none is left that has neither figures nor a failure on record."""
    tables = request.tables()
    leases: dict[Job, Lease] = {}
    while jobs := awaited(tables):
        taken = False
        for job in jobs[slot % len(jobs) :] + jobs[: slot % len(jobs)]:
            lease = leases.setdefault(job, request.claim(job, seconds))
            if lease.acquire():
                try:
                    run_held(request, tables, job)
                finally:
                    lease.release()
                taken = True
                break
        if not taken:
            time.sleep(min(LOOK, seconds / 4))
        for table in tables:
            table.refresh()
    return ""
