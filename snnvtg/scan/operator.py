"""The fused scan as torch operators: any number of directions in a call, gradients to every input.

One operator forward and one backward, whichever kernels run: C++ on the CPU, Triton on a GPU. So torch.compile,
profilers and counters see one node.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from snnvtg.scan import cpu_kernels, triton_scan
from snnvtg.scan.inputs import Scan, compute_dtype, fits
from snnvtg.scan.transforms import differentiable, is_tracing, refuse_twice

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
    seq_idx: Tensor | None
    softplus: list[int]
    reverse: list[int]

    def __post_init__(self):
        batch, length, channels = self.u.shape
        rows = (batch, length)
        for fields in self.directions:
            states = fields[2].shape[0]
            wide, narrow = (*rows, channels), (*rows, states)
            shapes = (wide, wide, (states, channels), narrow, narrow, (channels,), (channels,))
            for tensor, shape in zip(fields, (*shapes, (batch, states, channels)), strict=True):
                fits("selective_scan operator", tensor, shape, self.u.dtype)
        fits("selective_scan operator, z", self.z, (*rows, channels), self.u.dtype)
        fits("selective_scan operator, valid_mask", self.valid_mask, rows, torch.bool)
        fits("selective_scan operator, seq_idx", self.seq_idx, rows, torch.int32)

    @property
    def u(self) -> Tensor:
        return self.directions[0][0]

    @property
    def kernels(self):
        return KERNELS[self.u.device.type]


@dataclass(frozen=True)
class Settings:
    """What of a call is no tensor, for each direction, and whether to keep what the backward pass reads."""

    softplus: tuple[bool, ...]
    reverse: tuple[bool, ...]
    keep: bool

    @property
    def flags(self) -> tuple[list[bool], list[bool]]:
        return list(self.softplus), list(self.reverse)


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
    shared = (z, scan.valid_mask, None if scan.seq_idx is None else scan.seq_idx.to(torch.int32))
    softplus = tuple(direction.delta_softplus for direction in scan.directions)
    settings = Settings(softplus, tuple(scan.reverse), scan.needs_gradient)
    if is_tracing():
        out, _, states, _ = _scan(tensors, *shared, *settings.flags, settings.keep)
    else:
        out, *states = _apply(settings, *shared, *tensors)[: 1 + len(softplus)]
    return out.to(dtype), [state.transpose(1, 2) for state in states]


def _absent(tensor: Tensor) -> bool:
    # the state of an empty batch is empty too, but not absent
    return tensor.dim() == 1 and not tensor.numel()


def _call(tensors, *rest) -> Call:
    fields = [None if _absent(tensor) else tensor.contiguous() for tensor in tensors]
    directions = [fields[start : start + FIELDS] for start in range(0, len(fields), FIELDS)]
    z, valid_mask, seq_idx = (None if tensor is None else tensor.contiguous() for tensor in rest[:3])
    return Call(directions, z, valid_mask, seq_idx, *rest[3:])


@torch.library.custom_op("snnvtg::selective_scan", mutates_args=())
def _scan(
    tensors: list[Tensor],
    z: Tensor | None,
    valid_mask: Tensor | None,
    seq_idx: Tensor | None,
    softplus: list[int],
    reverse: list[int],
    keep: bool,
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Gated output, ungated output (empty unless kept for z's gradient), last states (B, N, D) and checkpoints."""
    call = _call(tensors, z, valid_mask, seq_idx, softplus, reverse)
    out, y, states, checkpoints = _outputs(tensors, z, keep)
    # the gate is applied in place where nobody needs the ungated output
    call.kernels.forward(call, y if y.numel() else out, out, states, checkpoints)
    return out, y, states, checkpoints


def _outputs(tensors, z, keep):
    u = tensors[0]
    out = u.new_empty(u.shape)
    y = u.new_empty(u.shape) if z is not None and keep else u.new_empty(0)
    states, checkpoints = [], []
    for A in tensors[2::FIELDS]:
        states.append(u.new_empty(u.shape[0], *A.shape))
        checkpoints.append(u.new_empty(_checkpoint_shape(u, A.shape[0]) if keep else 0))
    return out, y, states, checkpoints


def _checkpoint_shape(u: Tensor, states: int) -> tuple[int]:
    # How the channels lie in a checkpoint is the kernels' own affair; they may fill up to a multiple of 16. All in one
    # dimension: with one for the chunks tracers would tell one chunk from many.
    batch, length, channels = u.shape
    return (batch * -(-length // CHUNK) * states * -(-channels // 16) * 16,)


@_scan.register_fake
def _(tensors, z, valid_mask, seq_idx, softplus, reverse, keep):
    return _outputs(tensors, z, keep)


@torch.library.custom_op("snnvtg::selective_scan_backward", mutates_args=())
def _scan_backward(
    tensors: list[Tensor],
    z: Tensor | None,
    valid_mask: Tensor | None,
    seq_idx: Tensor | None,
    softplus: list[int],
    reverse: list[int],
    y: Tensor,
    checkpoints: list[Tensor],
    grad_out: Tensor,
    grad_states: list[Tensor],
) -> list[Tensor]:
    """Gradients of `tensors` in order, then of z (empty where there is none)."""
    call = _call(tensors, z, valid_mask, seq_idx, softplus, reverse)
    grad_z = call.u.new_empty(0) if z is None else torch.empty_like(call.u)
    gradients = [_partial_gradients(call, direction) for direction in call.directions]
    grad_states = [None if _absent(state) else state.contiguous() for state in grad_states]
    grad_out, checkpoints = grad_out.contiguous(), [kept.contiguous() for kept in checkpoints]
    _check_backward(call, y, checkpoints, grad_out, grad_states)
    call.kernels.backward(call, gradients, y.contiguous(), grad_out, grad_states, checkpoints, grad_z)
    results = []
    for direction, (u, delta, A, B, C, D, bias, initial) in zip(call.directions, gradients, strict=True):
        optional = zip(direction[5:], (D.sum(0), bias.sum(0), initial), strict=True)
        summed = (part[0] if len(part) == 1 else part.sum(0) for part in (B, C))
        tail = (u.new_empty(0) if tensor is None else gradient for tensor, gradient in optional)
        results += [u, delta, A.sum(0), *summed, *tail]
    return [*results, grad_z]


def _check_backward(call: Call, y: Tensor, checkpoints, grad_out, grad_states) -> None:
    name, u = "selective_scan operator, backward", call.u
    fits(name, grad_out, u.shape, u.dtype)
    fits(name, y, u.shape if call.z is not None else (0,), u.dtype)
    for fields, kept, grad in zip(call.directions, checkpoints, grad_states, strict=True):
        states = fields[2].shape[0]
        fits(name, kept, _checkpoint_shape(u, states), u.dtype)
        fits(name, grad, (u.shape[0], states, u.shape[2]), u.dtype)


def _partial_gradients(call: Call, direction: list[Tensor | None]) -> list[Tensor]:
    """Room for one direction's gradients; those of A, D and the bias by sample, of B and C by group of channels."""
    u = call.u
    batch, length, channels = u.shape
    states, groups = direction[2].shape[0], call.kernels.groups(call)
    shapes = [(batch, states, channels), (groups, batch, length, states), (groups, batch, length, states)]
    shapes += [(batch, channels), (batch, channels), (batch, states, channels)]
    return [u.new_empty(shape) for shape in (u.shape, u.shape, *shapes)]


@_scan_backward.register_fake
def _(tensors, z, valid_mask, seq_idx, softplus, reverse, y, checkpoints, grad_out, grad_states):
    like = [*tensors, tensors[0].new_empty(0) if z is None else z]
    return [torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in like]


def _forward(settings: Settings, given) -> tuple[Tensor, ...]:
    out, y, states, checkpoints = _scan(list(given[3:]), *given[:3], *settings.flags, settings.keep)
    return out, *states, y, *checkpoints


def _backward(settings: Settings, given, kept, grads) -> list[Tensor | None]:
    """Gradients of z, None for the masks, and gradients of the tensors."""
    shared, tensors = given[:3], list(given[3:])
    grad_out, *grad_states = grads
    if not settings.keep:
        # recorded where nothing needed a gradient (torch.jit.trace), and asked for one now
        _, y, _, checkpoints = _scan(tensors, *shared, *settings.flags, True)
        kept = (y, *checkpoints)
    grad_out = torch.zeros_like(tensors[0]) if grad_out is None else grad_out
    grad_states = [tensors[0].new_empty(0) if grad is None else grad for grad in grad_states]
    *gradients, grad_z = _scan_backward(
        tensors, *shared, *settings.flags, kept[0], list(kept[1:]), grad_out, grad_states
    )
    return [None if shared[0] is None else grad_z, None, None, *gradients]


_apply = differentiable(_forward, _backward, lambda settings: 1 + len(settings.reverse))


def _keep_for_backward(ctx, inputs, output):
    tensors, *shared, softplus, reverse, keep = inputs
    _, y, _, checkpoints = output
    ctx.settings = Settings(tuple(softplus), tuple(reverse), keep)
    ctx.save_for_backward(*shared, *tensors, y, *checkpoints)
    ctx.set_materialize_grads(False)


def _backward_of_operator(ctx, grad_out, grad_y, grad_states, grad_checkpoints):
    saved, directions = ctx.saved_tensors, len(ctx.settings.reverse)
    given, kept = saved[: -1 - directions], saved[-1 - directions :]
    grad_states = grad_states or [None] * directions
    grad_z, _, _, *gradients = _backward(ctx.settings, given, kept, (grad_out, *grad_states))
    return gradients, grad_z, None, None, None, None, None


_scan.register_autograd(_backward_of_operator, setup_context=_keep_for_backward)
_scan_backward.register_autograd(refuse_twice)
