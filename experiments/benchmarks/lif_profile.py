"""Where a call of the fused backend spends its time on the CPU."""

import time
from collections.abc import Callable
from statistics import median

import torch

from lif_timing import FLOOR_BYTES, VALUES, Setting, copy_gigabytes_per_second, steps, timed
from snnvtg.neurons.backends import fused_cpu, fused_operator


def profile_fused(setting: Setting) -> dict[str, float]:
    """Where a forward+backward call of `fused` on the CPU spends its milliseconds, caches flushed before each call.

    `forward kernel`, `backward kernel` and `calling` (autograd, dispatch, checks, allocation) add up to `total`.
    `arithmetic` is what the kernels take on data that never leaves the second-level cache, scaled to this shape;
    `without streaming stores` is the total without them.
    """
    flush = torch.ones(FLOOR_BYTES // 8)
    moved = VALUES["forward+backward"] * torch.Size(setting.shape).numel() * setting.dtype.itemsize
    small = Setting((setting.shape[0], 1, 1, 1 << 11), setting.dtype, repeats=50)
    scale = torch.Size(setting.shape).numel() / torch.Size(small.shape).numel()
    in_cache = _parts(small, lambda: None)
    # so small a problem is given to one thread
    arithmetic = (in_cache["forward kernel"] + in_cache["backward kernel"]) * scale / torch.get_num_threads()
    parts = _parts(setting, lambda: flush.add_(1))
    streamed = fused_cpu.STREAM
    try:
        fused_cpu.STREAM = 1 << 62
        cached = _parts(setting, lambda: flush.add_(1))["total"]
    finally:
        fused_cpu.STREAM = streamed
    return {
        "floor": moved / copy_gigabytes_per_second(setting) / 1e6,
        **parts,
        "arithmetic": arithmetic,
        "without streaming stores": cached,
    }


def _parts(setting: Setting, between: Callable[[], object]) -> dict[str, float]:
    """Median milliseconds of the parts of a forward+backward call, `between` run before each."""
    spent: dict[str, float] = {}

    def clocked(name: str, function: Callable) -> Callable:
        def run(*arguments, **options):
            begun = time.perf_counter()
            result = function(*arguments, **options)
            spent[name] = spent.get(name, 0) + (time.perf_counter() - begun) * 1e3
            return result

        return run

    kernel = fused_operator.KERNELS["cpu"]
    call = steps("fused", setting)["forward+backward"]
    fused_operator.KERNELS["cpu"] = lambda direction, *rest: clocked(f"{direction} kernel", kernel)(direction, *rest)
    try:
        calls = []
        for _ in range(setting.repeats + 2):
            between()
            spent.clear()
            spent["total"] = timed(call, "cpu")
            calls.append(dict(spent))
    finally:
        fused_operator.KERNELS["cpu"] = kernel
    parts = {name: median(c[name] for c in calls[2:]) for name in calls[-1]}
    parts["calling"] = parts["total"] - sum(value for name, value in parts.items() if name != "total")
    return parts
