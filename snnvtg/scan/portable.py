"""The selective scan where nothing can be compiled ahead: the bare recurrence by one of two sets of kernels, the rest
(softplus, mask, skip, gate) by torch operators around it.

Kernels, `chunked` (torch operators) or `numba_scan`, offer `forward` and `backward` on u, step (delta after softplus),
y (B, L, D), A (N, D), B, C (B, L, N), states (B, N, D). They keep the state at the borders of chunks only and recompute
inside, so that nothing of size B·L·D·N is ever held.
"""

from types import ModuleType

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from snnvtg.scan import chunked, numba_scan
from snnvtg.scan.inputs import Scan, ScanInputs, compute_dtype


def run_torch(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    return _run(scan, chunked)


# torch.compile cannot look into what numba compiled
@torch.compiler.disable
def run_numba(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    return _run(scan, numba_scan)


def _run(scan: Scan, kernels: ModuleType) -> tuple[Tensor, list[Tensor]]:
    keep, scan, dtype = scan.needs_gradient, scan.masked(), scan.directions[0].u.dtype
    y, states = 0, []
    for direction, reverse in zip(scan.directions, scan.reverse, strict=True):
        x = direction.to(compute_dtype(dtype))
        output, state = _one_direction(x, scan.valid_mask, (reverse, keep, kernels))
        y, states = y + output, [*states, state]
    if scan.z is not None:
        y = y * F.silu(scan.z.to(y.dtype))
    if scan.valid_mask is not None:
        y = torch.where(scan.valid_mask[..., None], y, 0)
    return y.to(dtype), states


def _one_direction(x: ScanInputs, valid_mask: Tensor | None, how: tuple) -> tuple[Tensor, Tensor]:
    step = x.delta if x.delta_bias is None else x.delta + x.delta_bias
    if x.delta_softplus:
        step = F.softplus(step)
    if valid_mask is not None:
        # a step of length zero leaves the state as it was; it has to be zero after bias and softplus
        step = torch.where(valid_mask[..., None], step, 0)
    h = x.u.new_zeros(x.u.shape[0], *x.A.shape) if x.initial_state is None else x.initial_state
    y, h = _Recurrence.apply(x.u, step, x.A.t(), x.B, x.C, h.transpose(1, 2), *how)
    return (y if x.D is None else y + x.D * x.u), h.transpose(1, 2)


class _Recurrence(torch.autograd.Function):
    """h_t = exp(step_t A) h_{t-1} + step_t B_t u_t and y_t = C_t h_t, with all gradients."""

    @staticmethod
    def forward(ctx, u, step, A, B, C, h, reverse, keep, kernels):
        inputs = [tensor.contiguous() for tensor in (u, step, A, B, C)]
        # autocast would round the operands of the products
        with torch.autocast(u.device.type, enabled=False):
            y, last, checkpoints = kernels.forward(*inputs, h, reverse, keep)
        ctx.save_for_backward(*inputs, checkpoints)
        ctx.reverse, ctx.kernels = reverse, kernels
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_y, grad_last):
        *inputs, checkpoints = ctx.saved_tensors
        gradients = ctx.kernels.backward(*inputs, checkpoints, grad_y.contiguous(), grad_last.contiguous(), ctx.reverse)
        return *gradients, None, None, None
