"""Jobs in processes of their own, one thread each."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import torch
from tqdm import tqdm

from snnvtg.errors import InputError
from snnvtg.interrupts import SIGNALS, Interrupted, held, raised

Job = TypeVar("Job")
Result = TypeVar("Result")
GRACE = 3.0
"""seconds in which a process that is to end finishes the file it writes"""


def in_processes(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    lost: Callable[[Job, str], Result],
    started: Callable[[Job], object] = lambda job: None,
) -> Iterator[Result]:
    """`work(job)` of every job, as they finish; `started(job)` is called when a process begins with it.

    Every process computes in one thread, so that a job's figures depend neither on the number of workers nor on what
    ran before it. Processes end with the one that started them, however it ends. An error or an interrupt ends them
    at once, and is raised after the results that were already there. A job whose process is killed has the result
    `lost(job, why)`, and the others go on.
    """
    if not jobs:
        return
    with _Pool(work, lost, started) as pool:
        for job in jobs[:workers]:
            pool.start(job)
        waiting = list(jobs[workers:])
        while pool.busy:
            found, error = pool.take(waiting)
            yield from found
            if error is not None:
                raise error


class _Pool(Generic[Job, Result]):
    """Processes at work, each on the job that its line was given last.

    Lines are pipes without locks: nothing is left behind, or waits for ever, whichever process is killed when.
    """

    def __init__(
        self,
        work: Callable[[Job], Result],
        lost: Callable[[Job, str], Result],
        started: Callable[[Job], object],
    ):
        self.work, self.lost, self.started = work, lost, started
        self.context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # whose start would let signals through in `start`
        self.lifeline, self.held_end = self.context.Pipe(duplex=False)
        self.processes: list[BaseProcess] = []
        self.busy: dict[Connection, tuple[BaseProcess, Job]] = {}

    def __enter__(self) -> "_Pool[Job, Result]":
        return self

    def start(self, job: Job) -> None:
        """Start a process on `job`."""
        with held():
            ours, theirs = self.context.Pipe()
            process = self.context.Process(target=_serve, args=(self.work, theirs, self.lifeline))
            # Ctrl-C reaches every process of a terminal: it is blocked from the first moment, the parent handles it
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
            self.processes.append(process)
            self._give(ours, process, job)

    def _give(self, line: Connection, process: BaseProcess, job: Job) -> None:
        self.busy[line] = process, job
        with contextlib.suppress(OSError):  # its process is gone, which `take` will find
            line.send(job)
        self.started(job)

    def take(self, waiting: list[Job]) -> tuple[list[Result], BaseException | None]:
        """The results of at least one job, and what ends the work; who is free gets the next of `waiting`."""
        error: BaseException | None = None
        try:
            ready = wait(list(self.busy))
        except KeyboardInterrupt as interrupt:
            error, ready = interrupt, [line for line in self.busy if line.poll()]
        found: list[Result] = []
        with held():
            for line in ready:
                process, job = self.busy.pop(line)
                try:
                    result, wrong = line.recv()
                except (EOFError, OSError):
                    result, wrong = self._killed(process, job)
                    process = None
                if wrong is None:
                    found.append(result)
                error = error or wrong
                if waiting and error is None:
                    following = waiting.pop(0)
                    self._give(line, process, following) if process else self.start(following)
        return found, error

    def _killed(self, process: BaseProcess, job: Job) -> tuple[Result | None, InputError | None]:
        """What stands for the result of a job whose process is gone; one that ended by itself is an error."""
        process.join()
        code = process.exitcode or 0
        if code >= 0:
            return None, InputError(f"a worker process ended with status {code} before its job was done")
        name = signal.Signals(-code).name
        why = f"its process was killed ({name}), perhaps for want of memory: fewer --workers need less"
        return self.lost(job, why), None

    def __exit__(self, *_) -> None:
        """End every process: told to, it leaves no file half written; it is killed after some seconds."""
        with held():
            for process in self.processes:
                if process.is_alive():
                    os.kill(process.pid, signal.SIGUSR1)
            end = time.monotonic() + GRACE
            for process in self.processes:
                process.join(max(0.0, end - time.monotonic()))
                process.kill()
                process.join()
            for line in (*self.busy, self.lifeline, self.held_end):
                line.close()


def _serve(work: Callable[[Job], Result], line: Connection, lifeline: Connection) -> None:
    """Work on every job that comes over `line`, until it is closed or the lifeline is."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    tqdm.set_lock(threading.RLock())  # its own outlives a process that is killed
    torch.set_num_threads(1)
    try:
        with raised((signal.SIGUSR1,)):
            threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
            while True:
                line.send(_outcome(work, line.recv()))
    except (EOFError, OSError, Interrupted):
        return


def _outcome(work: Callable[[Job], Result], job: Job) -> tuple[Result | None, Exception | None]:
    """The result of a job, or the error that is to be raised in its place."""
    try:
        return work(job), None
    except InputError as error:
        return None, InputError(str(error))
    except Exception:
        return None, RuntimeError(f"in a worker process:\n{traceback.format_exc()}")


def _end_with_parent(lifeline: Connection) -> None:
    """End when the parent closes its end of the line, or is killed without closing it.

    Without this the process would train on, and then wait for ever.
    """
    wait([multiprocessing.parent_process().sentinel, lifeline])
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    time.sleep(GRACE)
    os._exit(1)
