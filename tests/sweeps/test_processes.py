import multiprocessing
import os
import signal
import time

import pytest

from snnvtg.errors import InputError
from snnvtg.sweeps.processes import in_processes


def work(job):
    if job == "fails":
        raise ValueError("this job fails")
    if job == "refuses":
        raise InputError("this job refuses")
    if job == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "ends":
        os._exit(3)
    time.sleep(120.0 if job == "long" else 0)
    return job


def results(jobs, workers=2):
    return in_processes(work, jobs, workers, lost=lambda job, why: (job, why))


def test_an_error_ends_the_jobs_that_run_and_keeps_what_was_finished():
    found, started = [], time.monotonic()
    with pytest.raises(RuntimeError, match="this job fails") as caught:
        for result in results(["first", "long", "second", "fails", "third"]):
            found.append(result)
    assert "in work" in str(caught.value)  # where it was raised
    assert time.monotonic() - started < 60  # not the 120 s of the long job
    assert not multiprocessing.active_children()
    assert {"first", "second"} <= set(found) <= {"first", "second", "third"}


def test_an_interrupt_of_who_takes_the_results_ends_the_jobs_that_run():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in results(["first", "long"]):
            raise KeyboardInterrupt
    assert time.monotonic() - started < 60  # not the 120 s of the long job
    assert not multiprocessing.active_children()


def test_a_process_that_is_killed_costs_its_own_job_alone():
    found = list(results(["first", "is killed", "second", "third"]))
    assert {"first", "second", "third"} < set(found)
    (lost,) = [result for result in found if isinstance(result, tuple)]
    assert lost == (
        "is killed",
        "its process was killed (SIGKILL), perhaps for want of memory: fewer --workers need less",
    )


@pytest.mark.parametrize(("job", "said"), [("refuses", "this job refuses"), ("ends", "ended with status 3 before")])
def test_bad_input_in_a_process_is_one_line_here(job, said):
    with pytest.raises(InputError, match=said) as caught:
        list(results([job], 1))
    assert "\n" not in str(caught.value)
