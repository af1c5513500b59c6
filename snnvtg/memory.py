"""What the C library does with the memory that this process frees (glibc only), and what a call needs at its peak.

A tensor above 32 MB comes from the operating system page by page and goes back at each free; touching each page for the
first time can cost more than the computation that fills it. `keep_freed_memory` has the C library keep such blocks.
It changes the whole process, so the library never calls it by itself: training does, and so may a program of yours. A
preloaded allocator (jemalloc, tcmalloc) keeps memory by rules of its own and is left alone.
"""

import ctypes
import os
import platform
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

# mallopt's numbers of M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD (malloc.h of glibc). Blocks above 256 MB still
# come and go, because the gaps that such would leave are as large. A glibc that refuses the first is left as it is.
KEEPING = {-3: 256 << 20, -1: 2**31 - 1, -2: 64 << 20}


@lru_cache
def keep_freed_memory() -> bool:
    """Have the C library keep what this process frees, for the next allocation; False where it does not take that.

    Activations above 32 MB otherwise go back to the kernel at each free: half the time of a training step at batch 64.
    For the rest of the process its memory stays at its peak, and gaps make that about a tenth higher (glibc 2.36).
    `SNNVTG_KEEP_MEMORY=0` leaves the C library as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None
    wanted = os.environ.get("SNNVTG_KEEP_MEMORY", "1") != "0"
    return bool(mallopt and wanted and all(mallopt(option, value) for option, value in KEEPING.items()))


def give_back_freed_memory() -> None:
    """Return what the C library keeps to the kernel, so that memory in use can be told from memory kept."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def peak_of(run: Callable[[], Result], device: str) -> tuple[float, Result]:
    """Megabytes one call needs beyond what is there before it, its results included, and its result.

    On a CPU it lowers and reads the process's high-water mark: OSError where the system has none (Linux only).
    """
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = run()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6, result
    import resource  # not on every system

    give_back_freed_memory()  # else the call would find room without a trace
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    Path("/proc/self/clear_refs").write_text("5")  # lowers the high-water mark to what is resident now
    result = run()
    status = Path("/proc/self/status").read_text()
    high = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024
    return (high - before) / 1e6, result
