import multiprocessing
import time

import pytest

from snnvtg.sweeps.processes import in_processes


def work(job):
    if job == "fails":
        raise ValueError("this job fails")
    time.sleep(120.0 if job == "long" else 0)
    return job


def test_an_error_ends_the_jobs_that_run_and_keeps_what_was_finished():
    found, started = [], time.monotonic()
    with pytest.raises(ValueError, match="this job fails"):
        for result in in_processes(work, ["first", "long", "second", "fails", "third"], 2):
            found.append(result)
    assert time.monotonic() - started < 60  # not the 120 s of the long job
    assert not multiprocessing.active_children()
    assert {"first", "second"} <= set(found) <= {"first", "second", "third"}


def test_an_interrupt_of_who_takes_the_results_ends_the_jobs_that_run():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in in_processes(work, ["first", "long"], 2):
            raise KeyboardInterrupt
    assert time.monotonic() - started < 60  # not the 120 s of the long job
    assert not multiprocessing.active_children()
