"""The selective scan in torch operators, chunk by chunk: for machines without a compiler, and any device.

The forward pass keeps the state at chunk borders only; the backward pass recomputes one chunk at a time, so nothing of
size B·L·D·N is ever held. `exp(-cumsum)` forms, which need no loop within the chunk, overflow and are not used.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.scan.inputs import Scan, ScanInputs, compute_dtype

CHUNK = 8


def run(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    scan, dtype = scan.masked(), scan.directions[0].u.dtype
    y, states = 0, []
    for direction, reverse in zip(scan.directions, scan.reverse, strict=True):
        output, state = _one_direction(direction.to(compute_dtype(dtype)), scan.valid_mask, reverse)
        y, states = y + output, [*states, state]
    if scan.z is not None:
        y = y * F.silu(scan.z.to(y.dtype))
    if scan.valid_mask is not None:
        y = torch.where(scan.valid_mask[..., None], y, 0)
    return y.to(dtype), states


def _one_direction(x: ScanInputs, valid_mask: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
    delta = x.delta if x.delta_bias is None else x.delta + x.delta_bias
    if x.delta_softplus:
        delta = F.softplus(delta)
    u = x.u
    if valid_mask is not None:
        # a step of length zero leaves the state as it was; it has to be zero after bias and softplus
        delta = torch.where(valid_mask[..., None], delta, 0)
    h = u.new_zeros(u.shape[0], *x.A.shape) if x.initial_state is None else x.initial_state
    y, h = _Chunked.apply(u, delta, x.A, x.B, x.C, h, reverse)
    return (y if x.D is None else y + x.D * u), h


def _chunks(length: int, reverse: bool) -> list[slice]:
    """Slices of at most CHUNK steps in scan order."""
    starts = range(0, length, CHUNK)
    return [slice(s, min(s + CHUNK, length)) for s in (reversed(starts) if reverse else starts)]


def _states(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, h: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Decays and states (q, B, D, N) of one chunk's q steps, from the state `h` before it."""
    delta, du, B = (tensor.transpose(0, 1) for tensor in (delta, delta * u, B))
    decay = torch.exp(delta[..., None] * A)
    states = du[..., None] * B[:, :, None]
    for q in reversed(range(len(states))) if reverse else range(len(states)):
        h = states[q].addcmul_(decay[q], h)
    return decay, states


class _Chunked(torch.autograd.Function):
    """The bare recurrence, h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t and y_t = C_t h_t, with all gradients."""

    @staticmethod
    def forward(ctx, u, delta, A, B, C, h, reverse):
        borders, y = [], torch.empty_like(u, memory_format=torch.contiguous_format)
        for part in _chunks(u.shape[1], reverse):
            borders.append(h)
            _, states = _states(u[:, part], delta[:, part], A, B[:, part], h, reverse)
            y[:, part] = torch.matmul(states, C[:, part].transpose(0, 1)[..., None])[..., 0].transpose(0, 1)
            h = states[0 if reverse else -1].clone()
        ctx.save_for_backward(u, delta, A, B, C, *borders)
        ctx.reverse = reverse
        return y, h if borders else h.clone()

    @staticmethod
    def backward(ctx, grad_y, grad_h):
        u, delta, A, B, C, *borders = ctx.saved_tensors
        grad_u, grad_delta, grad_B, grad_C = (torch.empty_like(t) for t in (u, delta, B, C))
        grad_A = torch.zeros_like(A)
        parts = _chunks(u.shape[1], ctx.reverse)
        for part, border in reversed(list(zip(parts, borders, strict=True))):
            decay, states = _states(u[:, part], delta[:, part], A, B[:, part], border, ctx.reverse)
            dy, d, x, b, c = (t[:, part].transpose(0, 1) for t in (grad_y, delta, u, B, C))
            grad_C[:, part] = torch.matmul(dy[..., None, :], states)[..., 0, :].transpose(0, 1)
            gradient = dy[..., None] * c[:, :, None]
            order = range(len(states)) if ctx.reverse else reversed(range(len(states)))
            before = -1 if not ctx.reverse else 1
            exponent = states  # reused in place, step by step, for the gradient of delta·A
            for q in order:
                gradient[q] += grad_h
                grad_h = gradient[q] * decay[q]
                inside = 0 <= q + before < len(states)
                torch.mul(grad_h, states[q + before] if inside else border, out=exponent[q])
            grad_B[:, part] = torch.matmul((d * x)[..., None, :], gradient)[..., 0, :].transpose(0, 1)
            to_input = torch.matmul(gradient, b[..., None])[..., 0]
            grad_u[:, part] = (d * to_input).transpose(0, 1)
            grad_delta[:, part] = (torch.einsum("qbdn,dn->qbd", exponent, A) + x * to_input).transpose(0, 1)
            grad_A += torch.einsum("qbdn,qbd->dn", exponent, d)
        return grad_u, grad_delta, grad_A, grad_B, grad_C, grad_h, None
