"""What the files say of models that other processes run: leases taken, rows written, failures on record."""

import sys
from collections.abc import Sequence

from tqdm import tqdm

from snnvtg.leases import holder
from snnvtg.sweeps.executors.claiming import model_of
from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.jobs import Job, Outcome
from snnvtg.sweeps.request import SweepRequest, failure, unfinished
from snnvtg.sweeps.results import SweepTable


class Monitor:
    """Tells `watch` what became of `jobs` since the last look, and shows a bar in a terminal."""

    def __init__(self, request: SweepRequest, tables: Sequence[SweepTable], jobs: Sequence[Job], watch: Watch):
        self.request, self.tables, self.watch = request, tables, watch
        self.claims = {job: request.claim(job, 0.0).path for job in jobs}
        self.waiting, self.running = list(jobs), set[Job]()
        watch.declared(jobs)
        shown = {} if sys.stderr.isatty() else {"disable": True}
        self.bar = tqdm(total=len(jobs), desc="models", unit="model", **shown)

    def __enter__(self) -> "Monitor":
        return self

    def look(self) -> None:
        """Read the tables, and tell what changed."""
        for table in self.tables:
            table.refresh()
        left = {model_of(job) for job in unfinished(self.tables)}
        for job in list(self.waiting):
            why = failure(self.tables, job)
            if model_of(job) not in left or why:
                self.waiting.remove(job)
                self.running.discard(job)
                self.bar.update()
                self.watch.ended(Outcome(job, failure=why))
            elif job not in self.running and holder(self.claims[job]):
                self.running.add(job)
                self.watch.started(job)

    def __exit__(self, *_) -> None:
        self.bar.close()
