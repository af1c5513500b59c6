"""The Triton side of `fused`: whether it can run, and handing tensors to the kernels of triton_kernels.py."""

from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

UNROLLED = 16  # steps up to which the backward holds the potentials in registers
BLOCK = 512
WARPS = 4


def missing() -> list[str]:
    """Why the Triton kernels cannot run here."""
    reasons = []
    if find_spec("triton") is None:
        reasons.append("triton is not installed")
    if not torch.cuda.is_available():
        reasons.append("torch finds no CUDA device")
    elif torch.cuda.get_device_capability() < (7, 0):
        reasons.append("the device is older than compute capability 7.0, which Triton needs")
    return reasons


@lru_cache(maxsize=256)
def _on_device(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((1,), value, dtype=dtype, device=device)


def _there(parameter: Tensor, device: torch.device) -> Tensor:
    """A parameter on the device; a fixed one is a CPU scalar, copied over once per value."""
    return parameter if parameter.device == device else _on_device(parameter.item(), parameter.dtype, device)


def run(direction: str, tensors: dict[str, Tensor | None], settings: dict[str, float | int]) -> None:
    """Launch the kernel "forward" or "backward" on contiguous tensors; arguments as in fused_cpu.run."""
    if settings["neurons"] == 0:
        return
    given = {**tensors}
    for name in ("beta", "threshold"):
        given[name] = _there(given[name], given["current"].device)
    with torch.cuda.device_of(given["current"]):
        launch(direction, given, settings)


def launch(direction: str, given: dict[str, Tensor | None], settings: dict[str, float | int]) -> None:
    """One launch; the tensors are where the kernel runs."""
    import triton

    from snnvtg.neurons.backends import triton_kernels

    names, constants = arguments(direction, given, settings)
    if direction == "backward":
        given = {**given, "potentials": _room(given, settings, constants["STEPS"])}
    # an argument the kernel will not touch still needs an address
    pointers = [given["current"] if given.get(name) is None else given[name] for name in names]
    sizes = (settings["steps"], settings["neurons"], settings["channels"])
    grid = (triton.cdiv(settings["neurons"], constants["BLOCK"]),)
    kernel = triton_kernels.forward_kernel if direction == "forward" else triton_kernels.backward_kernel
    # no fused multiply-add: the reference rounds after each operation
    kernel[grid](*pointers, *sizes, **constants, num_warps=WARPS, enable_fp_fusion=False)


FORWARD = ("current", "state", "beta", "threshold", "scale", "shift", "out", "state_out")
WANTED = ("grad_current", "grad_state", "grad_beta", "grad_threshold", "grad_scale", "grad_shift")
BACKWARD = (*FORWARD[:6], "grad_out", "grad_state_out", "potentials", *WANTED)


def arguments(direction: str, given: dict[str, Tensor | None], settings: dict) -> tuple[tuple[str, ...], dict]:
    """(names of the kernel's pointers in order, its compile-time constants)."""
    import triton.language as tl

    steps = settings["steps"]
    constants = {
        "F": tl.float64 if given["beta"].dtype == torch.float64 else tl.float32,
        "STEPS": steps if steps <= UNROLLED else 0,
        "REPEAT": bool(settings["repeat"]),
        "MEAN": bool(settings["mean"]),
        "SOFT": bool(settings["soft"]),
        "RESET_TO": float(settings["reset_to"]),
        "GIVEN": given.get("state") is not None,
        "AFFINE": given.get("scale") is not None,
        "BETA_PER_CHANNEL": bool(settings["beta_per_channel"]),
        "THRESHOLD_PER_CHANNEL": bool(settings["threshold_per_channel"]),
        "BLOCK": BLOCK,
    }
    if direction == "forward":
        return FORWARD, constants
    wanted = {f"WANT_{name.removeprefix('grad_').upper()}": given.get(name) is not None for name in WANTED}
    backward = {
        "DETACH": bool(settings["detach"]),
        "KIND": settings["surrogate"],
        "ALPHA": float(settings["alpha"]),
        "STATE_GRADIENT": given.get("grad_state_out") is not None,
    }
    return BACKWARD, constants | backward | wanted


def _room(given: dict[str, Tensor | None], settings: dict, unrolled: int) -> Tensor | None:
    """Where potentials pass through when they do not fit in registers.

    That is the gradient's own memory where it has the state's type and a place for each step: each potential is read
    back just before the gradient of that step overwrites it.
    """
    grad, dtype = given["grad_current"], given["beta"].dtype
    if unrolled:
        return None
    if grad is not None and grad.dtype == dtype and not settings["repeat"]:
        return grad
    return torch.empty((settings["steps"], settings["neurons"]), dtype=dtype, device=given["current"].device)
