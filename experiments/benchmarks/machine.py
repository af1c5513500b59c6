"""What of a machine decides how fast a kernel bound by memory is, so that a ratio is quoted for its like (Linux).

Two machines of equal clock differ in four things: what a first touch of a fresh page costs (virtual machines: several
times a copy), how large the caches are beside the tensors, how fast a plain copy is, and how long a second thread takes
to start. The first went for most of the difference seen between machines: a process that hands freed memory back to the
system pays it at every call.
"""

import ctypes
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

ALONE = 0.05  # share of the processors that may go to others for a time to be quoted


def minor_faults(run: Callable[[], object]) -> int:
    """Pages that one call of `run` touches for the first time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def facts() -> dict[str, object]:
    """The machine in numbers: processor, caches, vectors, fresh pages, thread start; takes a fraction of a second."""
    return {
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "virtual": "hypervisor" in (_line("/proc/cpuinfo", "flags") or ""),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "caches": _caches(),
        "copy_gb_per_s": round(_copy(256 << 20), 2),
        "fresh_pages_gb_per_s": round(_fresh(64 << 20), 2),
        "thread_start_us": round(_thread_start(), 1),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", ""),
        "THP_MEM_ALLOC_ENABLE": os.environ.get("THP_MEM_ALLOC_ENABLE", ""),
    }


def quotable(facts: dict[str, object], share: float, keeps_memory: bool) -> str:
    """For which machines the ratios measured here may be quoted, in a sentence."""
    if share > ALONE:
        return f"for none: {share:.0%} of the processors went to other processes; measure again on an idle machine"
    pages = "kept, as training keeps it" if keeps_memory else "handed back at each free, as the C library does"
    return (
        f"for {facts['processor']} ({facts['vectors']}, {torch.get_num_threads()} threads, a copy of 256 MB at "
        f"{facts['copy_gb_per_s']} GB/s, fresh pages at {facts['fresh_pages_gb_per_s']} GB/s), freed memory {pages}"
    )


def _line(path: str, key: str) -> str | None:
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _caches() -> dict[str, str]:
    """Size of each level of cache the first processor sees; on a virtual machine the last is shared with others."""
    found = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    return {f"L{(c / 'level').read_text().strip()}": (c / "size").read_text().strip() for c in found}


def _seconds(run: Callable[[], object], repeats: int = 7, of=median) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return of(times)


def _copy(size: int) -> float:
    source = torch.ones(size // 4)
    target = torch.ones(size // 4)
    return 2 * size / _seconds(lambda: target.copy_(source)) / 1e9


def _fresh(size: int) -> float:
    """Bytes per nanosecond of writing memory that the system has to hand out first."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def touch() -> None:
        address = libc.mmap(None, size, 3, 0x22, -1, 0)  # readable and writable, private and anonymous
        ctypes.memset(address, 1, size)
        libc.munmap(address, size)

    return size / _seconds(touch) / 1e9


def _thread_start() -> float:
    """Microseconds by which an operation just large enough for all threads is slower than on one."""
    values = torch.ones(1 << 16)
    run, threads = (lambda: values.add_(1)), torch.get_num_threads()
    together = _seconds(run, 101, min)
    try:
        torch.set_num_threads(1)
        alone = _seconds(run, 101, min)
    finally:
        torch.set_num_threads(threads)
    return max(0.0, together - alone / threads) * 1e6
