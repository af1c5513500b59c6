"""The fused scan as torch operators: any number of directions in a call, gradients to every input.

One operator forward and one backward, whichever kernels run: C++ on the CPU, Triton on a GPU. So torch.compile,
profilers and counters see one node.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from snnvtg.scan import cpu_kernels, triton_scan
from snnvtg.scan.inputs import Scan, compute_dtype

CHUNK = 16  # steps between two checkpoints; the kernels know it too
KERNELS = {"cpu": cpu_kernels, "cuda": triton_scan}

# One direction's tensors, in this order, as the kernels read them: u, delta (B, L, D), A (N, D), B, C (B, L, N),
# D, delta_bias (D,), initial state (B, N, D). An absent one is an empty tensor of one dimension.
FIELDS = 8


@dataclass(frozen=True)
class Call:
    """What both passes read; every tensor contiguous and of one type."""

    directions: list[list[Tensor | None]]
    z: Tensor | None
    valid_mask: Tensor | None
    softplus: list[bool]
    reverse: list[bool]

    @property
    def u(self) -> Tensor:
        return self.directions[0][0]

    @property
    def kernels(self):
        return KERNELS[self.u.device.type]


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


def _absent(tensor: Tensor) -> bool:
    # the state of an empty batch is empty too, but not absent
    return tensor.dim() == 1 and not tensor.numel()


def _call(tensors, z, valid_mask, softplus, reverse) -> Call:
    fields = [None if _absent(tensor) else tensor.contiguous() for tensor in tensors]
    directions = [fields[start : start + FIELDS] for start in range(0, len(fields), FIELDS)]
    z, valid_mask = (None if tensor is None else tensor.contiguous() for tensor in (z, valid_mask))
    return Call(directions, z, valid_mask, softplus, reverse)


@torch.library.custom_op("snnvtg::selective_scan", mutates_args=())
def _scan(
    tensors: list[Tensor],
    z: Tensor | None,
    valid_mask: Tensor | None,
    softplus: list[bool],
    reverse: list[bool],
    keep: bool,
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Gated output, ungated output (empty unless kept for z's gradient), last states (B, N, D) and checkpoints."""
    call = _call(tensors, z, valid_mask, softplus, reverse)
    out, y, states, checkpoints = _outputs(tensors, z, keep)
    # the gate is applied in place where nobody needs the ungated output
    call.kernels.forward(call, y if y.numel() else out, out, states, checkpoints)
    return out, y, states, checkpoints


def _outputs(tensors, z, keep):
    u = tensors[0]
    batch, length, channels = u.shape
    out = u.new_empty(u.shape)
    y = u.new_empty(u.shape) if z is not None and keep else u.new_empty(0)
    states, checkpoints = [], []
    for A in tensors[2::FIELDS]:
        states.append(u.new_empty(batch, *A.shape))
        chunks = -(-length // CHUNK) if keep else 0
        # how the channels lie in a checkpoint is the kernels' own affair; they may fill up to a multiple of 16
        checkpoints.append(u.new_empty(batch, chunks, A.shape[0] * -(-channels // 16) * 16))
    return out, y, states, checkpoints


@_scan.register_fake
def _(tensors, z, valid_mask, softplus, reverse, keep):
    return _outputs(tensors, z, keep)


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
    call = _call(tensors, z, valid_mask, softplus, reverse)
    grad_z = call.u.new_empty(0) if z is None else torch.empty_like(call.u)
    gradients = [_partial_gradients(call, direction) for direction in call.directions]
    grad_states = [None if _absent(state) else state.contiguous() for state in grad_states]
    call.kernels.backward(call, gradients, y, grad_out.contiguous(), grad_states, checkpoints, grad_z)
    results = []
    for direction, (u, delta, A, B, C, D, bias, initial) in zip(call.directions, gradients, strict=True):
        optional = zip(direction[5:], (D.sum(0), bias.sum(0), initial), strict=True)
        summed = (part[0] if len(part) == 1 else part.sum(0) for part in (B, C))
        tail = (u.new_empty(0) if tensor is None else gradient for tensor, gradient in optional)
        results += [u, delta, A.sum(0), *summed, *tail]
    return [*results, grad_z]


def _partial_gradients(call: Call, direction: list[Tensor | None]) -> list[Tensor]:
    """Room for one direction's gradients; those of A, D and the bias by sample, of B and C by group of channels."""
    u = call.u
    batch, length, channels = u.shape
    states, groups = direction[2].shape[0], call.kernels.groups(call)
    shapes = [(batch, states, channels), (groups, batch, length, states), (groups, batch, length, states)]
    shapes += [(batch, channels), (batch, channels), (batch, states, channels)]
    return [u.new_empty(shape) for shape in (u.shape, u.shape, *shapes)]


@_scan_backward.register_fake
def _(tensors, z, valid_mask, softplus, reverse, y, checkpoints, grad_out, grad_states):
    like = [*tensors, tensors[0].new_empty(0) if z is None else z]
    return [torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in like]


def _keep_for_backward(ctx, inputs, output):
    tensors, z, valid_mask, ctx.softplus, ctx.reverse, _ = inputs
    _, y, _, checkpoints = output
    ctx.count = len(tensors)
    ctx.save_for_backward(*tensors, z, valid_mask, y, *checkpoints)
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_out, grad_y, grad_states, grad_checkpoints):
    saved, count = ctx.saved_tensors, ctx.count
    tensors, (z, valid_mask, y), checkpoints = saved[:count], saved[count : count + 3], saved[count + 3 :]
    grad_out = torch.zeros_like(tensors[0]) if grad_out is None else grad_out
    absent = tensors[0].new_empty(0)
    grad_states = [absent if g is None else g for g in grad_states or [None] * len(checkpoints)]
    *gradients, grad_z = _scan_backward(
        list(tensors), z, valid_mask, ctx.softplus, ctx.reverse, y, list(checkpoints), grad_out, grad_states
    )
    return gradients, None if z is None else grad_z, None, None, None, None


_scan.register_autograd(_backward, setup_context=_keep_for_backward)
