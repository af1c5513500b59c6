"""The selective scan where nothing can be compiled ahead: the bare recurrence by one of two sets of kernels, the rest
(softplus, mask, skip, gate) by torch operators around it.

Kernels, `chunked` (torch operators) or `numba_scan`, offer `forward` and `backward` on u, step (delta after softplus),
y (B, L, D), A (N, D), B, C (B, L, N), states (B, N, D), checkpoints (B, chunks, N, D); `fresh` (B, L) bool or None says
before which steps the state is forgotten. They keep the state at the borders of chunks only and recompute inside, so
that nothing of size B·L·D·N is ever held.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.scan import chunked, numba_scan
from snnvtg.scan.inputs import Scan, ScanInputs, compute_dtype, fits, restarts
from snnvtg.scan.transforms import differentiable, is_tracing, refuse_twice

KERNELS = {"torch": chunked, "numba": numba_scan}
CHUNK = 16  # both have it


@dataclass(frozen=True)
class Settings:
    """What of a recurrence is no tensor; `keep` what the backward pass reads."""

    reverse: bool
    keep: bool
    kernels: str


def run_torch(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    return _run(scan, "torch")


def run_numba(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    return _run(scan, "numba")


def _run(scan: Scan, kernels: str) -> tuple[Tensor, list[Tensor]]:
    keep, scan, dtype = scan.needs_gradient, scan.masked(), scan.directions[0].u.dtype
    y, states = 0, []
    for direction, reverse in zip(scan.directions, scan.reverse, strict=True):
        x = direction.to(compute_dtype(dtype))
        output, state = _one_direction(x, scan, Settings(reverse, keep, kernels))
        y, states = y + output, [*states, state]
    if scan.z is not None:
        y = y * F.silu(scan.z.to(y.dtype))
    if scan.valid_mask is not None:
        y = torch.where(scan.valid_mask[..., None], y, 0)
    return y.to(dtype), states


def _one_direction(x: ScanInputs, scan: Scan, settings: Settings) -> tuple[Tensor, Tensor]:
    step = x.delta if x.delta_bias is None else x.delta + x.delta_bias
    if x.delta_softplus:
        step = F.softplus(step)
    if scan.valid_mask is not None:
        # a step of length zero leaves the state as it was; it has to be zero after bias and softplus
        step = torch.where(scan.valid_mask[..., None], step, 0)
    fresh = None if scan.seq_idx is None else restarts(scan.seq_idx, scan.valid_mask, settings.reverse)
    h = x.u.new_zeros(x.u.shape[0], *x.A.shape) if x.initial_state is None else x.initial_state
    tensors = (x.u, step, x.A.t(), x.B, x.C, h.transpose(1, 2), fresh)
    if is_tracing():
        y, h, _ = _recurrence(*tensors, settings.reverse, settings.keep, settings.kernels)
    else:
        y, h, _ = _apply(settings, *tensors)
    return (y if x.D is None else y + x.D * x.u), h.transpose(1, 2)


@torch.library.custom_op("snnvtg::recurrence", mutates_args=())
def _recurrence(
    u: Tensor,
    step: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    initial: Tensor,
    fresh: Tensor | None,
    reverse: bool,
    keep: bool,
    kernels: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """h_t = exp(step_t A) h_{t-1} + step_t B_t u_t and y_t = C_t h_t: y, the last state, and checkpoints where kept."""
    _check(u, step, A, B, C, initial, fresh)
    given = [tensor.contiguous() for tensor in (u, step, A, B, C, initial)]
    # autocast would round the operands of the products
    with torch.autocast(u.device.type, enabled=False):
        y, last, checkpoints = KERNELS[kernels].forward(*given, fresh, reverse, keep)
    return y, last, checkpoints.flatten()


@_recurrence.register_fake
def _(u, step, A, B, C, initial, fresh, reverse, keep, kernels):
    return u.new_empty(u.shape), u.new_empty(initial.shape), u.new_empty(_checkpoint_shape(u, A) if keep else 0)


def _checkpoint_shape(u: Tensor, A: Tensor) -> tuple[int]:
    # flat: a dimension of chunks would have tracers tell one chunk from many
    return (u.shape[0] * -(-u.shape[1] // CHUNK) * A.shape[0] * A.shape[1],)


def _check(u, step, A, B, C, initial, fresh) -> None:
    batch, length, channels = u.shape
    states = A.shape[0]
    narrow = (batch, length, states)
    shapes = (u.shape, (states, channels), narrow, narrow, (batch, states, channels))
    for tensor, shape in zip((step, A, B, C, initial), shapes, strict=True):
        fits("recurrence operator", tensor, shape, u.dtype)
    fits("recurrence operator, fresh", fresh, (batch, length), torch.bool)


@torch.library.custom_op("snnvtg::recurrence_backward", mutates_args=())
def _recurrence_backward(
    u: Tensor,
    step: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    fresh: Tensor | None,
    checkpoints: Tensor,
    grad_y: Tensor,
    grad_last: Tensor,
    reverse: bool,
    kernels: str,
) -> list[Tensor]:
    """Gradients of u, step, A, B, C and the initial state."""
    _check(u, step, A, B, C, grad_last, fresh)
    fits("recurrence operator, backward", grad_y, u.shape, u.dtype)
    fits("recurrence operator, backward", checkpoints, _checkpoint_shape(u, A), u.dtype)
    checkpoints = checkpoints.view(u.shape[0], -(-u.shape[1] // CHUNK), *A.shape)
    given = [tensor.contiguous() for tensor in (u, step, A, B, C, checkpoints, grad_y, grad_last)]
    with torch.autocast(u.device.type, enabled=False):
        return KERNELS[kernels].backward(*given, fresh, reverse)


@_recurrence_backward.register_fake
def _(u, step, A, B, C, fresh, checkpoints, grad_y, grad_last, reverse, kernels):
    return [tensor.new_empty(tensor.shape) for tensor in (u, step, A, B, C, grad_last)]


def _forward(settings: Settings, tensors) -> tuple[Tensor, ...]:
    return _recurrence(*tensors, settings.reverse, settings.keep, settings.kernels)


def _backward(settings: Settings, tensors, kept, grads) -> list[Tensor | None]:
    *inputs, initial, fresh = tensors
    if not settings.keep:
        # recorded where nothing needed a gradient (torch.jit.trace), and asked for one now
        kept = _recurrence(*tensors, settings.reverse, True, settings.kernels)[2:]
    likes = (inputs[0], initial)
    grads = [torch.zeros_like(like) if grad is None else grad for like, grad in zip(likes, grads, strict=True)]
    return [*_recurrence_backward(*inputs, fresh, *kept, *grads, settings.reverse, settings.kernels), None]


_apply = differentiable(_forward, _backward, lambda settings: 2)


def _keep_for_backward(ctx, inputs, output):
    ctx.settings = Settings(*inputs[7:])
    ctx.save_for_backward(*inputs[:7], output[2])
    ctx.set_materialize_grads(False)


def _backward_of_operator(ctx, grad_y, grad_last, grad_checkpoints):
    *tensors, checkpoints = ctx.saved_tensors
    return *_backward(ctx.settings, tensors, (checkpoints,), (grad_y, grad_last)), None, None, None


_recurrence.register_autograd(_backward_of_operator, setup_context=_keep_for_backward)
_recurrence_backward.register_autograd(refuse_twice)
