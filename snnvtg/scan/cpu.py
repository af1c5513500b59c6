"""The compiled CPU scan as one torch operator: any number of directions in a call, gradients to every input."""

import ctypes
import hashlib
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from snnvtg import native
from snnvtg.errors import BackendError
from snnvtg.scan.inputs import Scan, compute_dtype

FOLDER = Path(__file__).parent
REMEDY = "Install a C++ compiler (Debian: apt-get install g++) or set CXX, or ask for the torch backend."
FIELDS = 8  # u, delta, A, B, C, D, delta_bias, initial_state; an absent one is an empty tensor


class _Sizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("batch", "length", "channels", "states")]


class _Inputs(ctypes.Structure):
    names = ("u", "delta", "A", "B", "C", "D", "bias", "initial")
    _fields_ = [*((name, ctypes.c_void_p) for name in names), ("softplus", ctypes.c_int64), ("reverse", ctypes.c_int64)]


class _Gradients(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in _Inputs.names]


@lru_cache
def library(name: str = "selective_scan") -> ctypes.CDLL:
    """The compiled kernel; raises BackendError where it cannot be built."""
    # the flag puts the header's content into the cache key
    digest = hashlib.sha256((FOLDER / "vectors.hpp").read_bytes()).hexdigest()[:16]
    return native.load(FOLDER / f"{name}.cpp", (f"-I{FOLDER}", f"-DVECTORS=0x{digest}"))


def build_problems(name: str) -> list[str]:
    """Why the kernel cannot be built here; empty where it can."""
    try:
        library(name)
    except BackendError as error:
        return list(error.reasons)
    return []


def run(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    dtype = scan.directions[0].u.dtype
    compute = compute_dtype(dtype)
    tensors = []
    for direction in scan.directions:
        x = direction.to(compute)
        absent = x.u.new_empty(0)
        initial = absent if x.initial_state is None else x.initial_state.transpose(1, 2)
        optional = (absent if tensor is None else tensor for tensor in (x.D, x.delta_bias))
        tensors += [x.u, x.delta, x.A.t(), x.B, x.C, *optional, initial]
    z = None if scan.z is None else scan.z.to(compute)
    softplus = [direction.delta_softplus for direction in scan.directions]
    out, _, states, _ = _scan(tensors, z, scan.valid_mask, softplus, list(scan.reverse), scan.needs_gradient)
    return out.to(dtype), [state.transpose(1, 2) for state in states]


def pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None or not tensor.numel() else tensor.data_ptr()


def _array(structures: list) -> ctypes.Array:
    return (type(structures[0]) * len(structures))(*structures)


def _pointers(tensors: list[Tensor | None]) -> ctypes.Array:
    return (ctypes.c_void_p * len(tensors))(*map(pointer, tensors))


class _Call:
    """The arguments common to both passes, contiguous and kept alive while the kernel runs."""

    def __init__(self, tensors, z, valid_mask, softplus, reverse):
        self.tensors = [tensor.contiguous() for tensor in tensors]
        self.z = None if z is None else z.contiguous()
        self.mask = None if valid_mask is None else valid_mask.contiguous()
        self.count = len(tensors) // FIELDS
        u, A = self.tensors[0], self.tensors[2]
        self.sizes = _Sizes(*u.shape, A.shape[0])
        self.suffix = "double" if u.dtype == torch.float64 else "float"
        self.threads = torch.get_num_threads()
        # one task a sample while there are enough samples, else groups of channels too
        self.groups = max(1, min(-(-4 * self.threads // max(u.shape[0], 1)), u.shape[2] // 64))
        if u.shape[0] >= 4 * self.threads or u.shape[0] % self.threads == 0:
            self.groups = 1
        self.inputs = _array(
            [
                _Inputs(*map(pointer, self.tensors[FIELDS * k : FIELDS * (k + 1)]), softplus[k], reverse[k])
                for k in range(self.count)
            ]
        )

    def run(self, kernel: str, *arguments) -> None:
        function = getattr(library(), f"scan_{kernel}_{self.suffix}")
        prepared = [
            argument if isinstance(argument, ctypes.Array) else ctypes.c_void_p(pointer(argument))
            for argument in arguments
        ]
        tail = (ctypes.c_int64(self.groups), ctypes.c_int64(self.threads))
        shared = (ctypes.c_int64(self.count), ctypes.c_void_p(pointer(self.z)), ctypes.c_void_p(pointer(self.mask)))
        head = prepared[:1] if kernel == "backward" else []
        function(self.inputs, *head, *shared, ctypes.byref(self.sizes), *prepared[len(head) :], *tail)


@torch.library.custom_op("snnvtg::selective_scan", mutates_args=())
def _scan(
    tensors: list[Tensor],
    z: Tensor | None,
    valid_mask: Tensor | None,
    softplus: list[bool],
    reverse: list[bool],
    keep: bool,
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Gated output, ungated output (empty unless kept for z's gradient), last states and checkpoints."""
    call = _Call(tensors, z, valid_mask, softplus, reverse)
    y, out, states, checkpoints = _outputs(tensors, z, keep)
    call.run("forward", y, out, _pointers(states), _pointers(checkpoints))
    return out, y if z is not None and keep else y.new_empty(0), states, checkpoints


def _outputs(tensors, z, keep):
    u = tensors[0]
    batch, length, channels = u.shape
    y = torch.empty_like(u, memory_format=torch.contiguous_format)
    # the gate may be applied in place where nobody needs the ungated output
    out = torch.empty_like(y) if z is not None and keep else y
    states, checkpoints = [], []
    for k in range(len(tensors) // FIELDS):
        states.append(u.new_empty(batch, *tensors[FIELDS * k + 2].shape))
        chunks = -(-length // CHUNK) if keep else 0
        states_of_channels = -(-channels // 16) * 16 * tensors[FIELDS * k + 2].shape[0]
        checkpoints.append(u.new_empty(batch, chunks, states_of_channels))
    return y, out, states, checkpoints


@_scan.register_fake
def _(tensors, z, valid_mask, softplus, reverse, keep):
    y, out, states, checkpoints = _outputs(tensors, z, keep)
    return out, y if z is not None and keep else y.new_empty(0), states, checkpoints


@torch.library.custom_op("snnvtg::selective_scan_backward", mutates_args=())
def _scan_backward(
    tensors: list[Tensor],
    z: Tensor | None,
    valid_mask: Tensor | None,
    softplus: list[bool],
    reverse: list[bool],
    y: Tensor,
    checkpoints: list[Tensor],
    grad_out: Tensor,
    grad_states: list[Tensor],
) -> list[Tensor]:
    """Gradients of `tensors` in order, then of z (empty where there is none)."""
    call = _Call(tensors, z, valid_mask, softplus, reverse)
    gradients, grad_z = _gradient_buffers(call)
    grad_states = [state.contiguous() for state in grad_states]
    structures = _array([_Gradients(*map(pointer, g)) for g in gradients])
    pointers = _pointers(grad_states), _pointers(checkpoints)
    call.run("backward", structures, y, grad_out.contiguous(), *pointers, grad_z)
    results = []
    for k, (u, delta, A, B, C, D, bias, initial) in enumerate(gradients):
        D, bias = D.sum(0), bias.sum(0)
        # as `run` marks them; the state of an empty batch is empty too, but not absent
        absent = [not t.numel() and t.dim() == 1 for t in call.tensors[FIELDS * k + 5 : FIELDS * k + 8]]
        tail = [
            torch.zeros(0, dtype=u.dtype) if gone else g for gone, g in zip(absent, (D, bias, initial), strict=True)
        ]
        summed = [g[0] if call.groups == 1 else g.sum(0) for g in (B, C)]
        results += [u, delta, A.sum(0), *summed, *tail]
    return [*results, grad_z]


def _gradient_buffers(call):
    u, z, groups = call.tensors[0], call.z, call.groups
    batch, length, channels = u.shape
    buffers = []
    for k in range(call.count):
        states = call.tensors[FIELDS * k + 2].shape[0]
        shapes = [(batch, states, channels), (groups, batch, length, states), (groups, batch, length, states)]
        shapes += [(batch, channels), (batch, channels), (batch, states, channels)]
        buffers.append([torch.empty_like(u), torch.empty_like(u), *(u.new_empty(shape) for shape in shapes)])
    return buffers, torch.empty_like(u) if z is not None else u.new_empty(0)


@_scan_backward.register_fake
def _(tensors, z, valid_mask, softplus, reverse, y, checkpoints, grad_out, grad_states):
    shapes = [*tensors, tensors[0].new_empty(0) if z is None else z]
    return [torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in shapes]


def _keep_for_backward(ctx, inputs, output):
    tensors, z, valid_mask, ctx.softplus, ctx.reverse, _ = inputs
    _, y, _, checkpoints = output
    ctx.count = len(tensors)
    ctx.save_for_backward(*tensors, z, valid_mask, y, *checkpoints)
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_out, grad_y, grad_states, grad_checkpoints):
    saved = ctx.saved_tensors
    tensors, (z, valid_mask, y), checkpoints = (
        saved[: ctx.count],
        saved[ctx.count : ctx.count + 3],
        saved[ctx.count + 3 :],
    )
    grad_out = torch.zeros_like(tensors[0]) if grad_out is None else grad_out
    absent = tensors[0].new_empty(0)
    grad_states = [absent if g is None else g for g in grad_states or [None] * len(checkpoints)]
    *gradients, grad_z = _scan_backward(
        list(tensors), z, valid_mask, ctx.softplus, ctx.reverse, y, list(checkpoints), grad_out, grad_states
    )
    return gradients, None if z is None else grad_z, None, None, None, None


_scan.register_autograd(_backward, setup_context=_keep_for_backward)

CHUNK = 16  # as in selective_scan.cpp
