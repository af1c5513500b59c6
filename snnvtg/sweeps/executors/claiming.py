"""One model run by whoever holds its lease, its rows written by the same process."""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace

from snnvtg.errors import InputError, first_line
from snnvtg.sweeps.checks import check_device
from snnvtg.sweeps.jobs import Job, Outcome
from snnvtg.sweeps.request import SweepRequest, failure, unfinished
from snnvtg.sweeps.results import SweepTable


def run_held(request: SweepRequest, tables: Sequence[SweepTable], job: Job) -> None:
    """Run what is unfinished of a job whose lease this process holds, and write its rows, or why there are none."""
    for table in tables:
        table.refresh()
    left = [wanted for wanted in unfinished(tables) if model_of(wanted) == model_of(job)]
    for wanted in left:  # none where another finished it in the meantime
        if failure(tables, wanted):  # of another, in the meantime
            continue
        outcome = attempted(request, wanted)
        for table in tables:
            table.add(outcome)


def attempted(request: SweepRequest, job: Job) -> Outcome:
    """The outcome of a job. An error, a bug's too, costs this model alone; its traceback is in the log (stderr)."""
    try:
        check_device(request.device)  # of this machine
        return request.run(job)
    except InputError as error:
        return Outcome(job, failure=str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return Outcome(job, failure=f"{type(error).__name__}: {first_line(error)}")


def model_of(job: Job) -> Job:
    """What tells the models of jobs apart, however they are measured."""
    return replace(job, measured=())
