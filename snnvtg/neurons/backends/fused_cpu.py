"""The C++ kernel of `fused`: builds it, and hands it pointers."""

import ctypes
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from snnvtg import native

SOURCE = Path(__file__).with_name("lif.cpp")
# one order of rounding on every machine: a fused multiply-add would round once where the reference rounds twice
FLAGS = ("-ffp-contract=off", "-mprefer-vector-width=512")
DTYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
POINTERS = (
    *("current", "state", "beta", "threshold", "scale", "shift", "out", "state_out", "potential"),
    *("grad_out", "grad_state_out", "grad_potential"),
    *("grad_current", "grad_state", "grad_beta", "grad_threshold", "grad_scale", "grad_shift"),
)
SWITCHES = (
    *("dtype", "repeat", "mean", "soft", "detach", "surrogate"),
    *("beta_per_channel", "threshold_per_channel", "stream", "threads"),
)
STREAM = 1 << 24  # bytes above which a result bypasses the caches: it would not stay in them anyway
SMALL = 1 << 15  # current values below which waking a second thread costs more than it saves


class Problem(ctypes.Structure):
    """`struct Problem` of lif.cpp, field by field."""

    _fields_ = (
        [(name, ctypes.c_int64) for name in ("steps", "neurons", "channels", "truncate")]
        + [(name, ctypes.c_void_p) for name in POINTERS]
        + [("reset_to", ctypes.c_double), ("alpha", ctypes.c_double)]
        + [(name, ctypes.c_int32) for name in SWITCHES]
    )


@lru_cache
def library() -> ctypes.CDLL:
    """The compiled kernel; raises BackendError where it cannot be built."""
    return native.load(SOURCE, FLAGS)


def run(direction: str, tensors: dict[str, Tensor | None], settings: dict[str, float | int]) -> None:
    """Run the kernel "forward" or "backward" on contiguous tensors, named as the fields of Problem."""
    problem = Problem(**settings)
    for name, tensor in tensors.items():
        if tensor is not None:
            setattr(problem, name, tensor.data_ptr())
    if problem.neurons == 0:
        return
    small = problem.steps * problem.neurons < SMALL
    written = tensors["out"] if direction == "forward" else tensors["grad_current"]
    problem.stream = written is not None and written.nbytes > STREAM
    problem.threads = 1 if small else native.num_threads()
    getattr(library(), f"snnvtg_lif_{direction}")(ctypes.byref(problem))
