"""One model as a job that submitit starts in a process of its own, wherever that is."""

import pickle
import sys
from dataclasses import replace
from typing import Any

from snnvtg.reporting import provenance
from snnvtg.sweeps.jobs import Job
from snnvtg.sweeps.request import SweepRequest


def submitted_here(request: SweepRequest) -> SweepRequest:
    """The request with the command of this process, which its tables are to name and not that of a job."""
    return replace(request, command=request.command or provenance()["command"])


class Task:
    """Runs one model and writes its rows; pickled by submitit, which calls `checkpoint` at time-out and preemption."""

    def __init__(self, request: SweepRequest, job: Job, lease: float):
        # unpickled where sys.path is this process' own: a model from a file outside the package is found through it
        self.path, self.work = list(sys.path), pickle.dumps((request, job, lease))

    def __call__(self) -> None:
        """Wait for the lease of the model, then do what is left to do of it, in one thread as every executor does."""
        sys.path += [place for place in self.path if place not in sys.path]
        import torch

        from snnvtg.leases import acquired
        from snnvtg.sweeps.executors.claiming import run_held

        torch.set_num_threads(1)
        request, job, lease = pickle.loads(self.work)
        tables = request.tables()
        with acquired(request.claim(job, lease)):
            run_held(request, tables, job)

    def checkpoint(self) -> Any:
        """The same once more: the training goes on from its last finished epoch."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
