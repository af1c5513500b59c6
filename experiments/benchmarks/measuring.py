"""What every benchmark needs: memory of this process, a process of one's own, and who else used the machine (Linux)."""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_own_process(function: Callable[..., Result], *arguments) -> Result:
    """The result of `function`, run in a fork of a process that has computed nothing.

    Its high-water mark of memory has not been raised by anybody else. Raises RuntimeError where the fork dies.
    """
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=lambda: send.send(function(*arguments)))
    child.start()
    send.close()
    try:
        result = receive.recv()
    except EOFError:
        child.join()
        raise RuntimeError(f"the process of {function.__name__} ended with status {child.exitcode}") from None
    child.join()
    return result


class Company:
    """Share of the machine's processor time that went to other processes since this was made.

    A benchmark beside other work measures the other work too; its report should say so.
    """

    def __init__(self):
        self._begun, self._busy, self._own = time.time(), self._all(), self._mine()

    @staticmethod
    def _all() -> float:
        fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _mine() -> float:
        return sum(os.times()[:4])

    def share(self) -> float:
        """Between 0 (alone) and 1; over much less than a second the system's ticks make it coarse."""
        others = (self._all() - self._busy) - (self._mine() - self._own)
        return min(1.0, max(0.0, others / ((time.time() - self._begun) * (os.cpu_count() or 1))))


def replay_ms(run: Callable[[], object], repeats: int = 20) -> float:
    """Milliseconds of one call replayed as a CUDA graph: the device's work without the launches.

    Raises whatever capturing raises, for a call that waits for the device or allocates by itself.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    graph.replay()
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        graph.replay()
    stop.record()
    torch.cuda.synchronize()
    return start.elapsed_time(stop) / repeats
