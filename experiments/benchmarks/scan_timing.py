"""Measuring selective scans: time, memory, error against float64, and what their exponentials must cost.

On the CPU each backend and length has a process of its own, so that its peak memory is its own.
"""

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

import scan_rivals as rivals
from measuring import in_own_process
from snnvtg.errors import BackendError
from snnvtg.memory import peak_of
from snnvtg.scan import cpu_kernels
from snnvtg.scan.selective import selective_scan

SOURCE = Path(__file__).with_name("exponentials")  # .cpp
DIRECTIONS = ("forward", "forward+backward")
# every exp(delta A) is evaluated once forward and once more where the backward pass recomputes it
EXPONENTIALS = {"forward": 1, "forward+backward": 2}


@dataclass(frozen=True)
class Setting:
    """What is measured: sizes, type, device, threads, and for how many seconds a direction is repeated."""

    L: int
    B: int = 16
    D: int = 512
    N: int = 16
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    threads: int = 2
    budget: float = 2.0


def inputs(setting: Setting, dtype: torch.dtype | None = None) -> tuple[list[Tensor], Tensor]:
    """u, delta, A, B, C, D, z, delta_bias as Mamba starts out, and the output's gradient; always the same numbers."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    B, L, D, N = setting.B, setting.L, setting.D, setting.N
    u, z, grad = random(B, L, D), random(B, L, D), random(B, L, D)
    delta, B_, C = 0.5 * random(B, L, D), random(B, L, N), random(B, L, N)
    # steps between 0.001 and 0.1
    steps = torch.exp(torch.linspace(-6.9, -2.3, D))
    bias = steps + torch.log(-torch.expm1(-steps))
    A = -torch.arange(1.0, N + 1).repeat(D, 1)
    tensors = [u, delta, A, B_, C, torch.ones(D), z, bias]
    # rounded first to the type measured, so that an error is of the computation and not of the input
    moved = [t.to(setting.dtype).to(setting.device, dtype or setting.dtype) for t in (*tensors, grad)]
    return [t.requires_grad_() for t in moved[:-1]], moved[-1]


def function(name: str) -> Callable[..., Tensor]:
    """A rival, or one of our backends, by name."""
    if name in rivals.RIVALS:
        return rivals.RIVALS[name]()
    return lambda u, delta, A, B, C, D, z, bias: selective_scan(u, delta, A, B, C, D, z, bias, backend=name)


def calls(name: str, setting: Setting) -> dict[str, Callable[[], list[Tensor]]]:
    """One call in each direction on fixed inputs; its results: y, then the gradients."""
    scan = function(name)
    tensors, grad = inputs(setting)

    def forward() -> list[Tensor]:
        with torch.no_grad():
            return [scan(*tensors)]

    def both() -> list[Tensor]:
        y = scan(*tensors)
        return [y.detach(), *torch.autograd.grad(y, tensors, grad)]

    return {"forward": forward, "forward+backward": both}


def measure(name: str, setting: Setting) -> list[dict]:
    """Rows of the table for one backend and length, one per direction."""
    if setting.device == "cuda":
        return _rows(name, setting)
    return in_own_process(_rows, name, setting)


def _rows(name: str, setting: Setting) -> list[dict]:
    torch.set_num_threads(setting.threads)
    for run in calls(name, replace(setting, L=3, B=1, D=32)).values():
        run()  # builds, imports and thread pools are not what is measured
    runs = calls(name, setting)
    measured = {direction: _time_and_memory(run, setting) for direction, run in runs.items()}
    exact = _exact(name, setting)
    floors = _floors(setting) if setting.device == "cpu" else {}
    rows = []
    for direction, (times, peak, result) in measured.items():
        rows.append(
            {
                "backend": name,
                "device": setting.device,
                "dtype": str(setting.dtype).removeprefix("torch."),
                **{size: getattr(setting, size) for size in "LBDN"},
                "direction": direction,
                "median_ms": median(times),
                "peak_mb": peak,
                "max_rel_err": max(_error(a, e) for a, e in zip(result, exact, strict=False)),
                "min_ms": min(times),
                "repeats": len(times),
                "threads": setting.threads if setting.device == "cpu" else 0,
                **{column: floor[direction] for column, floor in floors.items()},
            }
        )
    return rows


def _time_and_memory(run: Callable[[], list[Tensor]], setting: Setting) -> tuple[list[float], float, list[Tensor]]:
    """Milliseconds of each repeat, megabytes the first call needs beyond its inputs, and the result."""
    peak, (first, result) = peak_of(lambda: _timed(run, setting.device), setting.device)
    if first > setting.budget * 1e3:
        return [first], peak, result
    times: list[float] = []
    while len(times) < 5 or (sum(times) < setting.budget * 1e3 and len(times) < 200):
        times.append(_timed(run, setting.device)[0])
    return times, peak, result


def _timed(run: Callable[[], list[Tensor]], device: str) -> tuple[float, list[Tensor]]:
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    result = run()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) * 1e3, result


def _exact(name: str, setting: Setting) -> list[Tensor]:
    """y and gradients in float64.

    By a fused kernel: the loop of the reference would hold every state; tests hold the two to 1e-10 of each other.
    """
    tensors, grad = inputs(setting, torch.float64)
    backend = "cpu" if setting.device == "cpu" and not cpu_kernels.build_problems() else "torch"
    y = rivals.expected(name, tensors, backend)
    return [y.detach(), *torch.autograd.grad(y, tensors, grad)]


def _error(actual: Tensor, exact: Tensor) -> float:
    """Largest deviation over the largest entry of the exact tensor."""
    return ((actual.double() - exact).abs().max() / exact.abs().max()).item()


def _floors(setting: Setting) -> dict[str, dict[str, float]]:
    """Milliseconds of the exponentials alone, by column and direction, where there is a compiler (and glibc).

    Measured in the minute of the row they stand in: how fast the processor is depends on who shares it.
    """
    floors = {}
    for column, library in {"exponentials_ms": False, "library_exponentials_ms": True}.items():
        with suppress(BackendError):
            floors[column] = exponentials_ms(setting, library)
    return floors


def exponentials_ms(setting: Setting, library: bool = False) -> dict[str, float]:
    """Milliseconds the exp(delta A) of each direction cost on this CPU, and nothing else.

    By the scan's own exponential, what they must cost at least; or by the C library's vector exponential (glibc,
    x86-64) with its calls, a yardstick of nobody's tuning. Raises BackendError where that is not to be had. The best of
    many tries on a sequence short enough to stay in the cache: arithmetic, not memory.
    """
    torch.set_num_threads(setting.threads)
    short = replace(setting, L=min(setting.L, 75))
    _, delta, A, *_ = inputs(short, torch.float32)[0]
    steps, rates = torch.nn.functional.softplus(delta).detach(), A.detach().t().contiguous()
    run = exponentials(library)
    times = []
    while len(times) < 10 or sum(times) < 300:
        begun = time.perf_counter()
        run(steps.flatten(0, 1), rates, short.threads)
        times.append((time.perf_counter() - begun) * 1e3)
    per_pass = min(times) * setting.L / short.L
    return {direction: count * per_pass for direction, count in EXPONENTIALS.items()}


def exponentials(library: bool = False) -> Callable[[Tensor, Tensor, int], float]:
    """The sum of 2^(delta A), of e^(delta A) by the C library, for delta (rows, D) and A (N, D), and threads."""
    flags = ("-DFROM_LIBRARY", "-Wl,--no-as-needed", "-lmvec") if library else ()
    function = cpu_kernels.library(str(SOURCE), flags).exponentials
    function.restype = ctypes.c_float

    def run(delta: Tensor, rates: Tensor, threads: int) -> float:
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (delta, rates)]
        return function(*pointers, *map(ctypes.c_int64, (*delta.shape, len(rates), threads)))

    return run
