"""Building the C++ kernels of the scan and handing tensors to them."""

import ctypes
import hashlib
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from snnvtg import native
from snnvtg.errors import BackendError

FOLDER = Path(__file__).parent
REMEDY = "Install a C++ compiler (Debian: apt-get install g++) or set CXX, or ask for the torch backend."


@lru_cache
def library(name: str = "selective_scan", flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The compiled kernel; raises BackendError where it cannot be built."""
    # the flag puts the header's content into the cache key
    digest = hashlib.sha256((FOLDER / "vectors.hpp").read_bytes()).hexdigest()[:16]
    return native.load(FOLDER / f"{name}.cpp", (f"-I{FOLDER}", f"-DVECTORS=0x{digest}", *flags))


def build_problems(name: str = "selective_scan") -> list[str]:
    """Why the kernel cannot be built here; empty where it can."""
    try:
        library(name)
    except BackendError as error:
        return list(error.reasons)
    return []


def pointer(tensor: Tensor | None) -> int | None:
    """Its address for C; None for an absent or empty one."""
    return None if tensor is None or not tensor.numel() else tensor.data_ptr()


class _Sizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("batch", "length", "channels", "states")]


class _Inputs(ctypes.Structure):
    names = ("u", "delta", "A", "B", "C", "D", "bias", "initial")
    _fields_ = [*((name, ctypes.c_void_p) for name in names), ("softplus", ctypes.c_int64), ("reverse", ctypes.c_int64)]


class _Gradients(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in _Inputs.names]


def groups(call) -> int:
    """Groups of channels a sample is cut into: one while there are samples enough for the threads."""
    batch, _, channels = call.u.shape
    threads = native.num_threads()
    if batch % threads == 0 or batch >= 4 * threads:
        return 1
    return max(1, min(-(-4 * threads // batch), channels // 64))


def forward(call, y: Tensor, out: Tensor, states: list[Tensor], checkpoints: list[Tensor]) -> None:
    """Fill all four; arguments as in operator.py."""
    _run("forward", call, (), (y, out, states, checkpoints))


def backward(call, gradients, y, grad_out, grad_states, checkpoints, grad_z) -> None:
    """Fill `gradients` and `grad_z`; arguments as in operator.py."""
    structures = _array([_Gradients(*map(pointer, parts)) for parts in gradients])
    _run("backward", call, (structures,), (y, grad_out, grad_states, checkpoints, grad_z))


def _run(kernel: str, call, head: tuple, tail: tuple) -> None:
    batch, length, channels = call.u.shape
    if not batch:
        return
    sizes = _Sizes(batch, length, channels, call.directions[0][2].shape[0])
    flags = zip(call.softplus, call.reverse, strict=True)
    inputs = _array(
        [_Inputs(*map(pointer, fields), *f) for fields, f in zip(call.directions, flags, strict=True)],
    )
    masks = map(_argument, (call.z, call.valid_mask, call.seq_idx))
    shared = (ctypes.c_int64(len(call.directions)), *masks, ctypes.byref(sizes))
    threads = ctypes.c_int64(groups(call)), ctypes.c_int64(native.num_threads())
    suffix = "double" if call.u.dtype == torch.float64 else "float"
    function = getattr(library(), f"scan_{kernel}_{suffix}")
    function(inputs, *head, *shared, *map(_argument, tail), *threads)


def _argument(value: Tensor | list[Tensor] | None):
    if isinstance(value, list):
        return (ctypes.c_void_p * len(value))(*map(pointer, value))
    return ctypes.c_void_p(pointer(value))


def _array(structures: list) -> ctypes.Array:
    return (type(structures[0]) * len(structures))(*structures)
