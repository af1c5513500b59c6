"""Launching the Triton kernels of the scan; only this file and triton_kernels.py know triton."""

from importlib.util import find_spec

import torch
from torch import Tensor

CHUNK = 16  # as in operator.py
WIDTH = 32  # channels of a program, one warp
REMEDY = "Install torch with CUDA, which brings triton (pip install torch), or ask for the torch backend."


def missing(device_type: str) -> list[str]:
    """Why the kernels cannot run on such tensors here."""
    reasons = [] if device_type == "cuda" else [f"it needs cuda tensors, these are on {device_type}"]
    if find_spec("triton") is None:
        reasons.append("triton is not installed")
    if not torch.cuda.is_available():
        reasons.append("torch finds no CUDA device")
    elif torch.cuda.get_device_capability() < (7, 0):
        reasons.append("the device is older than compute capability 7.0, which triton needs")
    return reasons


def groups(call) -> int:
    """Blocks of channels that each hold their part of B's and C's gradients."""
    return -(-call.u.shape[2] // WIDTH)


def forward(call, y: Tensor, out: Tensor, states: list[Tensor], checkpoints: list[Tensor]) -> None:
    """Fill all four; arguments as in operator.py."""
    for k, fields in enumerate(call.directions):
        tensors = (*fields, call.z, call.valid_mask, y, out, states[k], checkpoints[k])
        gate = call.z is not None and k == len(call.directions) - 1
        flags = {
            **_flags(call, k),
            "ADD": k > 0,
            "GATE": gate,
            "STORE_Y": not gate or y is not out,
            "KEEP": checkpoints[k].numel() > 0,
            "HAS_INITIAL": fields[7] is not None,
        }
        _launch("forward_kernel", call, k, tensors, (), checkpoints[k], flags)


def backward(call, gradients, y, grad_out, grad_states, checkpoints, grad_z) -> None:
    """Fill `gradients` and `grad_z`; arguments as in operator.py."""
    for k, fields in enumerate(call.directions):
        room = call.u.shape[0] * groups(call) * CHUNK * _states(fields) * WIDTH
        tensors = (*fields[:7], call.z, call.valid_mask, y, grad_out, grad_states[k], checkpoints[k])
        tensors = (*tensors, call.u.new_empty(room), *gradients[k], grad_z)
        gate = call.z is not None
        flags = {**_flags(call, k), "GATE": gate, "STORE_Z": gate and k == 0, "HAS_LAST": grad_states[k] is not None}
        _launch("backward_kernel", call, k, tensors, (call.u.shape[0],), checkpoints[k], flags)


def _states(fields) -> int:
    """The number of states rounded up to a power of two, as Triton's blocks have to be."""
    return 1 << (fields[2].shape[0] - 1).bit_length()


def _flags(call, k: int) -> dict[str, int | bool]:
    fields = call.directions[k]
    return {
        "STATES": _states(fields),
        "WIDTH": WIDTH,
        "CHUNK": CHUNK,
        "SOFTPLUS": call.softplus[k],
        "REVERSE": call.reverse[k],
        "HAS_D": fields[5] is not None,
        "HAS_BIAS": fields[6] is not None,
        "HAS_MASK": call.valid_mask is not None,
    }


def _launch(name: str, call, k: int, tensors: tuple, sizes: tuple[int, ...], checkpoints: Tensor, flags: dict) -> None:
    from snnvtg.scan import triton_kernels

    batch, length, channels = call.u.shape
    if not batch:
        return
    # an argument the kernel will not touch still needs an address
    tensors = [call.u if tensor is None else tensor for tensor in tensors]
    tensors = [tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor for tensor in tensors]
    # elements of one checkpoint; without any the kernel does not look
    states = call.directions[k][2].shape[0]
    row = checkpoints.numel() // (batch * -(-length // CHUNK)) if length else 0
    sizes = (*sizes, length, channels, states, row)
    kernel = getattr(triton_kernels, name)
    with torch.cuda.device_of(call.u):
        kernel[(batch, groups(call))](*tensors, *sizes, **flags, num_warps=1)
