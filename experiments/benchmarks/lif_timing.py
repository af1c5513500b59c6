"""Measuring LIF backends side by side: time, memory and the bandwidth floor.

All backends of a shape run in one process and take turns, so that a noisy machine is noisy for all of them, and each
finds the caches as the others left them. Peak memory is measured in a process of its own for each backend.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from machine import minor_faults
from measuring import in_own_process
from snnvtg.memory import peak_of
from snnvtg.neurons.backends import BACKENDS
from snnvtg.neurons.module import LIF

DIRECTIONS = ("forward", "forward+backward")
# values moved per neuron and step where nothing is kept but what the backward must see: read the current, write the
# spikes; then read current, spikes' gradient and what was kept, write the current's gradient, with the spikes once more
VALUES = {"forward": 2, "forward+backward": 6}
FLOOR_BYTES = 256 << 20  # size of the copy the floor's bandwidth is measured with: far beyond any cache


@dataclass(frozen=True)
class Setting:
    """What is measured: shape (T, B, L, C), dtype and device, how often and for how long at most per backend."""

    shape: tuple[int, int, int, int]
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    repeats: int = 15
    budget: float = 2.0  # seconds a backend may take for one direction; three repeats are always made
    linear: bool = False  # a square linear layer before the LIF


def steps(backend: str, setting: Setting) -> dict[str, Callable[[], object]]:
    """One call of `backend` in each direction on fixed random inputs."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(setting.shape, generator=generator).to(setting.device, setting.dtype)
    grad = torch.randn(setting.shape, generator=generator).to(setting.device, setting.dtype)
    layer = LIF(backend=backend)
    if setting.linear:
        width = setting.shape[-1]
        linear = torch.nn.Linear(width, width, bias=False, device=setting.device, dtype=setting.dtype)
        run, leaves = (lambda x: layer(linear(x))), [x.requires_grad_(), linear.weight]
    else:
        run, leaves = layer, [x.requires_grad_()]

    def forward() -> Tensor:
        with torch.no_grad():
            return run(x)

    def forward_and_backward() -> tuple[Tensor, ...]:
        return torch.autograd.grad(run(x), leaves, grad)

    return {"forward": forward, "forward+backward": forward_and_backward}


def timed(run: Callable[[], object], device: str) -> float:
    """Milliseconds of one call."""
    if device == "cuda":
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        stop.record()
        torch.cuda.synchronize()
        return start.elapsed_time(stop)
    begun = time.perf_counter()
    run()
    return (time.perf_counter() - begun) * 1e3


def take_turns(runs: dict[str, Callable[[], object]], setting: Setting) -> dict[str, list[float]]:
    """Milliseconds of each of `runs`, one call of each in turn; a slow one drops out when its budget is spent."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(setting.repeats):
        for name, run in runs.items():
            if len(times[name]) < 3 or sum(times[name]) < setting.budget * 1e3:
                times[name].append(timed(run, setting.device))
    return times


def copy_gigabytes_per_second(setting: Setting, size: int = FLOOR_BYTES) -> float:
    """Bandwidth of copying `size` bytes between two tensors touched before, read and write counted."""
    source = torch.ones(size // 4, device=setting.device)
    target = torch.empty_like(source)
    times = take_turns({"copy": lambda: target.copy_(source)}, setting)["copy"]
    return 2 * size / median(times) / 1e6


def measure(backends: tuple[str, ...], setting: Setting) -> Iterator[dict]:
    """Rows of the table for one shape: every backend in both directions, with the floors."""
    calls = {backend: steps(backend, setting) for backend in backends}
    size = torch.Size(setting.shape).numel() * setting.dtype.itemsize
    bandwidth = copy_gigabytes_per_second(setting)
    same_size = copy_gigabytes_per_second(setting, -(-size // 4) * 4)
    for direction in DIRECTIONS:
        times = take_turns({backend: calls[backend][direction] for backend in backends}, setting)
        moved = VALUES[direction] * size
        for backend in backends:
            yield {
                "case": "linear+lif" if setting.linear else "lif",
                "backend": backend,
                "device": setting.device,
                "dtype": str(setting.dtype).removeprefix("torch."),
                **dict(zip("TBLC", setting.shape, strict=True)),
                "direction": direction,
                "median_ms": median(times[backend]),
                "floor_ms": moved / bandwidth / 1e6,
                "ratio_to_fused": median(times[backend]) / median(times["fused"]),
                "bytes_mb": moved / 1e6,
                "copy_gb_per_s": bandwidth,
                "cached_floor_ms": moved / max(same_size, bandwidth) / 1e6,
                "min_ms": min(times[backend]),
                "minor_faults": minor_faults(calls[backend][direction]),
                "repeats": len(times[backend]),
                "threads": torch.get_num_threads(),
            }


def kept_bytes(backend: str, setting: Setting) -> int:
    """Bytes autograd holds between forward and backward, each storage once, the input it shares included."""
    x = torch.randn(setting.shape, device=setting.device).to(setting.dtype).requires_grad_()
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        spikes = LIF(backend=backend)(x)
    # the spikes are the caller's, whether or not autograd holds them too
    held.pop(spikes.untyped_storage().data_ptr(), None)
    return sum(held.values())


def peak_mb(backend: str, setting: Setting, direction: str) -> float:
    """Megabytes one first call needs beyond its inputs, results included."""
    if setting.device == "cuda":
        run = steps(backend, setting)[direction]
        run()
        return peak_of(run, setting.device)[0]
    return in_own_process(_peak_of_first_call, backend, setting, direction)


def _peak_of_first_call(backend: str, setting: Setting, direction: str) -> float:
    # the kernel, libraries and thread pool are paid for by a call too small to matter
    tiny = Setting((2, 1, 8, 8), setting.dtype)
    steps(backend, tiny)[direction]()
    return peak_of(steps(backend, setting)[direction], setting.device)[0]


def runnable(device: str) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """(backends that run on `device`, the reasons of those that do not)."""
    reasons = {name: backend.missing(device) for name, backend in BACKENDS.items()}
    return tuple(name for name, why in reasons.items() if not why), {name: why for name, why in reasons.items() if why}
