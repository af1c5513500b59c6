"""What the benchmarks measure with: a process of one's own, memory, company."""

import os
import subprocess
import sys
import time

import pytest

import measuring
from measuring import Company, in_own_process
from snnvtg.memory import peak_of


def test_a_function_runs_in_a_process_of_its_own():
    assert in_own_process(lambda a, b: (os.getpid() != a, b), os.getpid(), "given") == (True, "given")


def test_a_process_that_dies_is_an_error_with_its_status():
    with pytest.raises(RuntimeError, match="ended with status 7"):
        in_own_process(lambda: os._exit(7))


def test_the_peak_is_what_the_call_needs_at_once_and_not_what_it_leaves():
    def run():
        temporary = bytearray(b"1") * 40_000_000
        return len(temporary)

    peak, result = peak_of(run, "cpu")
    assert result == 40_000_000
    assert 39 < peak < 60


@pytest.mark.parametrize(
    ("busy", "mine", "share"),
    # ten seconds on four processors: 40 seconds of processor time
    [(12.0, 2.0, 0.25), (2.0, 2.0, 0.0), (2.0, 2.1, 0.0), (41.0, 0.0, 1.0)],
)
def test_the_share_of_others_is_what_was_busy_and_not_mine(monkeypatch, busy, mine, share):
    readings = {"time": iter([100.0, 110.0]), "all": iter([7.0, 7.0 + busy]), "mine": iter([3.0, 3.0 + mine])}
    monkeypatch.setattr(measuring.time, "time", lambda: next(readings["time"]))
    monkeypatch.setattr(measuring.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(Company, "_all", staticmethod(lambda: next(readings["all"])))
    monkeypatch.setattr(Company, "_mine", staticmethod(lambda: next(readings["mine"])))
    assert Company().share() == pytest.approx(share)


def test_the_share_of_others_sees_a_busy_process():
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        company = Company()
        time.sleep(1.5)
        assert company.share() > 0.2 / (os.cpu_count() or 1)
    finally:
        child.kill()
        child.wait()
