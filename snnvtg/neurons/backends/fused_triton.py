"""The Triton side of `fused`: whether it can run, and handing tensors to the kernels of triton_kernels.py."""

import struct
from importlib.util import find_spec

import torch
from torch import Tensor

UNROLLED = 16  # steps up to which the backward holds the potentials in registers
BLOCK = 512
WARPS = 4
BY_VALUE, ON_DEVICE, PER_CHANNEL = 0, 1, 2  # how a kernel gets a parameter: KIND of per_neuron in triton_kernels.py


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


def _bits(parameter: Tensor) -> int:
    """A number the kernel is given by value, a CPU scalar, as the bits of a double."""
    return struct.unpack("q", struct.pack("d", parameter.item()))[0]


def run(direction: str, tensors: dict[str, Tensor | None], settings: dict[str, float | int]) -> None:
    """Launch the kernel "forward" or "backward" on contiguous tensors; arguments as in fused_cpu.run."""
    if settings["neurons"] == 0:
        return
    with torch.cuda.device_of(tensors["current"]):
        launch(direction, tensors, settings)


def launch(direction: str, given: dict[str, Tensor | None], settings: dict[str, float | int]) -> None:
    """One launch; the tensors are where the kernel runs."""
    import triton

    from snnvtg.neurons.backends import triton_kernels

    names, constants = arguments(direction, given, settings)
    if direction == "backward":
        given = {**given, "potentials": _room(given, settings, constants["STEPS"])}
    bits = {name: _bits(given[name]) for name in ("beta", "threshold") if constants[name.upper()] == BY_VALUE}
    given = {**given, **dict.fromkeys(bits)}
    # an argument the kernel will not touch still needs an address
    pointers = [given["current"] if given.get(name) is None else given[name] for name in names]
    sizes = [settings[name] for name in ("steps", "neurons", "channels")]
    grid = (triton.cdiv(settings["neurons"], constants["BLOCK"]),)
    kernel = triton_kernels.forward_kernel if direction == "forward" else triton_kernels.backward_kernel
    # no fused multiply-add: the reference rounds after each operation
    numbers = (*sizes, bits.get("beta", 0), bits.get("threshold", 0))
    kernel[grid](*pointers, *numbers, **constants, num_warps=WARPS, enable_fp_fusion=False)


GIVEN = ("current", "state", "beta", "threshold", "scale", "shift")
FORWARD = (*GIVEN, "out", "state_out", "potential")
WANTED = ("grad_current", "grad_state", "grad_beta", "grad_threshold", "grad_scale", "grad_shift")
BACKWARD = (*GIVEN, "grad_out", "grad_state_out", "grad_potential", "potentials", *WANTED)


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
        "BETA": _kind(given["beta"]),
        "THRESHOLD": _kind(given["threshold"]),
        "BLOCK": BLOCK,
    }
    if direction == "forward":
        return FORWARD, constants | {"TRACE": given.get("potential") is not None}
    wanted = {f"WANT_{name.removeprefix('grad_').upper()}": given.get(name) is not None for name in WANTED}
    backward = {
        "DETACH": bool(settings["detach"]),
        "KIND": settings["surrogate"],
        "ALPHA": float(settings["alpha"]),
        "STATE_GRADIENT": given.get("grad_state_out") is not None,
        "TRACE": given.get("grad_potential") is not None,
        "TRUNCATE": settings["truncate"],
    }
    return BACKWARD, constants | backward | wanted


def _kind(parameter: Tensor) -> int:
    """How the kernel gets a parameter."""
    return PER_CHANNEL if parameter.dim() else BY_VALUE if parameter.is_cpu else ON_DEVICE


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
