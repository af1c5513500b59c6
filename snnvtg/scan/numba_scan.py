"""Handing tensors to the Numba kernels of the scan; only this file and numba_kernels.py know numba."""

import os
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor

from snnvtg.backends import only_on
from snnvtg.scan.transforms import forward_mode

REMEDY = "Install numba, which brings a compiler of its own (pip install numba), or ask for the torch backend."
GROUPS = 4  # groups of channels at most: the same on every machine, so that sums are of the same order everywhere


@lru_cache
def kernels() -> ModuleType:
    """The kernels' module; raises ImportError where numba is not installed or does not fit this numpy."""
    return import_module("snnvtg.scan.numba_kernels")


def missing(device_type: str) -> list[str]:
    """Why the kernels cannot run on such tensors here."""
    reasons = only_on("cpu")(device_type)
    if find_spec("numba") is None:
        return [*reasons, "numba is not installed"]
    try:
        kernels()
    except Exception as error:  # numba says what it dislikes about numpy or the processor in several ways
        reasons.append(f"numba does not import ({type(error).__name__}: {error})")
    return reasons


def refuses(scan) -> list[str]:
    """Why the kernels cannot run in this process, or not do this call."""
    forked = _launched_by not in (None, os.getpid())
    lost = ["this process is a fork of one that used numba, whose threads do not survive that; spawn it instead"]
    return (lost if forked else []) + forward_mode()


_launched_by: int | None = None  # the process whose threads numba has


def forward(u, step, A, B, C, initial, fresh, reverse: bool, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last state, and with `keep` the states before each chunk (B, chunks, N, D)."""
    y, last = torch.empty_like(u), torch.empty_like(initial)
    chunks = -(-u.shape[1] // kernels().CHUNK) if keep else 0
    checkpoints = u.new_empty(u.shape[0], chunks, *A.shape)
    tensors = (u, step, A * _LOG2_E, B, C, _or_none(fresh, u), initial, y, last, checkpoints)
    _call(kernels().forward, tensors, reverse, _groups(u))
    return y, last, checkpoints if keep else u.new_empty(0)


def backward(u, step, A, B, C, checkpoints, grad_y, grad_last, fresh, reverse: bool) -> list[Tensor]:
    """Gradients of u, step, A, B, C and the initial state."""
    groups = _groups(u)
    grad_u, grad_step = torch.empty_like(u), torch.empty_like(u)
    grad_A, grad_initial = torch.empty_like(grad_last), torch.empty_like(grad_last)
    grad_B, grad_C = (tensor.new_empty(groups, *tensor.shape) for tensor in (B, C))
    given = (u, step, A * _LOG2_E, B, C, _or_none(fresh, u), checkpoints, grad_y, grad_last)
    results = (grad_u, grad_step, grad_A, grad_B, grad_C, grad_initial)
    _call(kernels().backward, given + results, reverse, groups, grad_u.new_tensor(_LN_2).numpy()[()])
    return [grad_u, grad_step, grad_A.sum(0), grad_B.sum(0), grad_C.sum(0), grad_initial]


_LOG2_E, _LN_2 = 1.4426950408889634, 0.6931471805599453


def _or_none(fresh: Tensor | None, u: Tensor) -> Tensor:
    """`fresh`, or (B, 0) where there is none: the kernels are compiled for one type."""
    return u.new_empty(len(u), 0, dtype=torch.bool) if fresh is None else fresh


def _groups(u: Tensor) -> int:
    return max(1, min(GROUPS, u.shape[2] // kernels().WIDTH))


def _call(kernel, tensors, *options) -> None:
    global _launched_by
    _launched_by = _launched_by or os.getpid()
    numba = import_module("numba")
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
    kernel(*(tensor.detach().numpy() for tensor in tensors), *options)
