"""Jobs in processes of their own, one thread each."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.connection import Connection, wait
from typing import TypeVar

import torch
from tqdm import tqdm

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """`work(job)` of every job, as they finish.

    Every process computes in one thread, so that a job's figures depend neither on the number of workers nor on what
    ran before it. Processes end with the one that started them, however it ends. An error or an interrupt ends them
    at once, and is raised after the results that were already there.
    """
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    lifeline, held = context.Pipe(duplex=False)
    with lifeline, held, ProcessPoolExecutor(min(workers, len(jobs)), context, _start, (lifeline,)) as pool:
        waiting = [pool.submit(work, job) for job in jobs]
        try:
            for done in tqdm(as_completed(waiting), total=len(waiting), desc="models", unit="model"):
                waiting.remove(done)
                yield done.result()
        except GeneratorExit:
            held.close()
            raise
        except BaseException:
            finished = [future for future in waiting if _succeeded(future)]
            held.close()
            for future in finished:
                yield future.result()
            raise


def _succeeded(future: Future) -> bool:
    return future.done() and future.exception() is None


def _start(lifeline: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent handles it
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent(lifeline: Connection) -> None:
    """End when the parent closes its end of the line, or is killed without closing it.

    Without this the process would train on, and then wait for ever.
    """
    wait([multiprocessing.parent_process().sentinel, lifeline])
    os._exit(1)
