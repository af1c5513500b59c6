import errno
import json
import multiprocessing
import os
import threading
import time

import pytest

from snnvtg.errors import InputError
from snnvtg.leases import Lease, abandoned_here, holder, leased

ELSEWHERE = {"token": "another", "process": 1, "began": "1", "system": "another machine"}
fork = multiprocessing.get_context("fork")


def test_a_lease_has_one_holder_and_is_free_again_afterwards(tmp_path):
    first, second = Lease(tmp_path / "a.lease", 60), Lease(tmp_path / "a.lease", 60)
    assert first.acquire() and not second.acquire()
    assert first.is_held() and not second.is_held()
    second.release()  # who does not hold it gives nothing back
    assert first.is_held()
    first.release()
    assert not list(tmp_path.iterdir())
    assert second.acquire()
    second.release()


def count_up(place, times):
    for _ in range(times):
        with leased(place / "a.lease", 60):
            number = int((place / "number").read_text())
            time.sleep(0.001)
            (place / "number").write_text(str(number + 1))


def test_processes_that_want_it_at_once_have_it_one_after_the_other(tmp_path):
    (tmp_path / "number").write_text("0")
    processes = [fork.Process(target=count_up, args=(tmp_path, 5)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert (tmp_path / "number").read_text() == "40"


def test_a_lease_that_is_not_renewed_expires_by_the_clock_of_who_waits(tmp_path):
    path, lease = tmp_path / "a.lease", Lease(tmp_path / "a.lease", 0.4)
    path.write_text(json.dumps(ELSEWHERE))
    os.utime(path, (1e9, 1e9))  # the other machine's clock is years behind
    began = time.monotonic()
    while not lease.acquire():
        time.sleep(0.02)
    assert 0.4 <= time.monotonic() - began < 5
    assert lease.is_held() and [file.name for file in tmp_path.iterdir()] == ["a.lease"]
    lease.release()


def test_a_lease_that_is_renewed_does_not_expire(tmp_path):
    ours, other = Lease(tmp_path / "a.lease", 0.6), Lease(tmp_path / "a.lease", 0.6)
    assert ours.acquire()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert not other.acquire()
        time.sleep(0.05)
    ours.release()


def test_a_holder_that_died_on_this_machine_is_known_at_once(tmp_path):
    path = tmp_path / "a.lease"
    process = fork.Process(target=lambda: (Lease(path, 1000).acquire(), os._exit(9)))
    process.start()
    process.join(30)
    assert holder(path)["process"] == process.pid and abandoned_here(path)
    lease = Lease(path, 1000)
    assert lease.acquire()
    lease.release()


def test_one_of_many_takes_over_an_abandoned_lease(tmp_path):
    path, taken = tmp_path / "a.lease", []
    path.write_text(json.dumps(ELSEWHERE))
    leases = [Lease(path, 0.05) for _ in range(12)]
    for lease in leases:
        assert not lease.acquire()
    time.sleep(0.1)

    def take(lease):
        if lease.acquire():
            taken.append(lease)

    for lease in leases:
        lease.seconds = 1000  # so that a fresh one is not taken as well
    for lease in leases:
        lease._since = -1e6
    threads = [threading.Thread(target=take, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [lease for lease in taken if lease.is_held()]
    assert len(held) == 1
    held[0].release()
    assert not list(tmp_path.iterdir())


def test_who_lost_a_lease_knows_it(tmp_path):
    lease = Lease(tmp_path / "a.lease", 60)
    assert lease.acquire()
    lease.path.write_text(json.dumps(ELSEWHERE))
    assert not lease.is_held()
    lease.release()
    assert holder(lease.path) == ELSEWHERE


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("snnvtg.leases.json.dumps", full)
    with pytest.raises(InputError, match=r"a\.lease: cannot be written \(No space left on device\); make room"):
        Lease(tmp_path / "a.lease", 60).acquire()
    assert not list(tmp_path.iterdir())
