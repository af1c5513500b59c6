"""Jobs in processes of their own, one thread each."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

import torch
from tqdm import tqdm

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Any, Job], Result], jobs: Sequence[Job], load: Callable[[], Any], workers: int
) -> Iterator[Result]:
    """`work(load(), job)` of every job, as they finish; `load` runs once in each process.

    Every process computes in one thread, so that a job's figures depend neither on the number of workers nor on what
    ran before it. Processes end with the one that started them, however it ends.
    """
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _start, (load,)) as pool:
        pending = [pool.submit(_call, work, job) for job in jobs]
        try:
            for done in tqdm(as_completed(pending), total=len(pending), desc="models", unit="model"):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_loaded: Any = None


def _start(load: Callable[[], Any]) -> None:
    global _loaded
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _loaded = load()


def _end_with_parent() -> None:
    """A killed parent says no goodbye; without this its processes would go on training, and then wait for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _call(work: Callable[[Any, Job], Result], job: Job) -> Result:
    return work(_loaded, job)
