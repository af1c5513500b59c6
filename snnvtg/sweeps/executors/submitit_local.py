"""The jobs that `slurm` would submit, on this machine: submitit's local executor, some at once. Slurm is not needed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from snnvtg.data.extras import require
from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.executors.monitor import Monitor
from snnvtg.sweeps.executors.task import Task
from snnvtg.sweeps.jobs import Job, Outcome
from snnvtg.sweeps.request import SweepRequest, awaited, unfinished
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
        running: dict[Any, Job] = {}
        executor = submitit.LocalExecutor(request.folder / "logs", max_num_timeout=20)
        executor.update_parameters(timeout_min=self.minutes, signal_delay_s=30, stderr_to_stdout=True)
        try:
            with Monitor(request, tables, waiting, watch) as monitor:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        job = waiting.pop(0)
                        running[executor.submit(Task(request, job, self.lease))] = job
                    time.sleep(LOOK)
                    ended = [known for known in running if known.done()]
                    _record_lost(tables, {known: running.pop(known) for known in ended})
                    monitor.look()
        finally:
            for known in running:
                known.cancel()


def _record_lost(tables: Sequence[SweepTable], ended: dict[Any, Job]) -> None:
    """A model whose job left neither rows nor a failure has failed."""
    for table in tables if ended else ():
        table.refresh()
    left = awaited(tables) if ended else []
    for known, job in ended.items():
        if job in left:
            why = f"its job ended before it was done; log: {known.paths.stdout.name}"
            for table in tables:
                table.add(Outcome(job, failure=why))
