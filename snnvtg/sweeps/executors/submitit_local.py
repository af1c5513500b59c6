"""The jobs that `slurm` would submit, on this machine: submitit's local executor, some at once. Slurm is not needed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from snnvtg.data.extras import require
from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.executors.task import Task, submitted_here
from snnvtg.sweeps.jobs import Job, Outcome
from snnvtg.sweeps.request import SweepRequest, awaited, failure, unfinished
from snnvtg.sweeps.results import SweepTable

LOOK = 0.3


@dataclass(frozen=True)
class SubmititLocal:
    """`workers` jobs of submitit at once."""

    workers: int = 1
    minutes: float = 24 * 60.0
    """after which a model is told to stop, and goes on from its last epoch"""
    lease: float = 60.0
    shares_tables: ClassVar[bool] = True
    runs_elsewhere: ClassVar[bool] = False

    def run(self, request: SweepRequest, tables: Sequence[SweepTable], watch: Watch) -> None:
        """Run what is unfinished, and wait for it."""
        submitit = require("submitit", "cluster", "--executor submitit")
        for table in tables:
            table.keep_declaration()
            table.forget_failures(unfinished(tables))
        waiting = awaited(tables)
        watch.declared(waiting)
        running: dict[Any, Job] = {}
        request = submitted_here(request)
        executor = submitit.LocalExecutor(request.folder / "logs", max_num_timeout=20)
        executor.update_parameters(timeout_min=self.minutes, signal_delay_s=30, stderr_to_stdout=True)
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.pop(0)
                    running[executor.submit(Task(request, job, self.lease))] = job
                    watch.started(job)
                time.sleep(LOOK)
                for known in [known for known in running if known.done()]:
                    watch.ended(_outcome(tables, running.pop(known), known.paths.stdout.name))
        finally:
            for known in running:
                known.cancel()


def _outcome(tables: Sequence[SweepTable], job: Job, log: str) -> Outcome:
    """What came of a job that ended; one that left neither rows nor a failure has failed."""
    for table in tables:
        table.refresh()
    if job not in awaited(tables):
        return Outcome(job, failure=failure(tables, job))
    outcome = Outcome(job, failure=f"its job ended before it was done; log: {log}")
    for table in tables:
        table.add(outcome)
    return outcome
