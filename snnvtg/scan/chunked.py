"""The bare recurrence in torch operators, for machines without compiler or numba, and for any device.

A slab of samples at a time, CHUNK steps at a time: what one operator leaves the next finds in the caches. Channels lie
innermost, so that no operator broadcasts along the rows it walks; products that sum over states or channels are batched
matrix products. `exp(-cumsum)` forms, which need no loop within the chunk, overflow and are not used. Arguments as in
portable.py; within a slab of b samples and a chunk of q steps, states are (q, b, N, D).
"""

import torch
from torch import Tensor

CHUNK = 16
# states in a slab: an operator of so many elements still runs on one thread; waking a second costs more than it does
SLAB = 1 << 15


def forward(u, step, A, B, C, initial, fresh, reverse: bool, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last state, and with `keep` the states before each chunk (B, chunks, N, D)."""
    y, last = torch.empty_like(u), initial.clone()
    parts = _chunks(u.shape[1], reverse)
    checkpoints = u.new_empty((u.shape[0], len(parts), *A.shape) if keep else 0)
    for rows in _slabs(u, A):
        room = _rooms(2, u[rows], A)
        h = last[rows]
        for c, part in enumerate(parts):
            if keep:
                checkpoints[rows, c] = h
            x, d, into, outof = (tensor[rows, part].transpose(0, 1) for tensor in (u, step, B, C))
            decay, states = (tensor[: len(d)] for tensor in room)
            _advance(d, d * x, A, into, h, _order(len(d), reverse), decay, states, _part(fresh, rows, part))
            y[rows, part] = _over_states(outof, states).transpose(0, 1)
            h.copy_(states[0 if reverse else -1])
    return y, last, checkpoints


def backward(u, step, A, B, C, checkpoints, grad_y, grad_last, fresh, reverse: bool) -> list[Tensor]:
    """Gradients of u, step, A, B, C and the initial state."""
    grad_u, grad_step, grad_B, grad_C = (torch.empty_like(tensor) for tensor in (u, step, B, C))
    grad_A, carry = torch.zeros_like(grad_last), grad_last.clone()
    parts = list(enumerate(_chunks(u.shape[1], reverse)))
    for rows in _slabs(u, A):
        room = _rooms(3, u[rows], A)
        for c, part in reversed(parts):
            x, d, into, outof, dy = (tensor[rows, part].transpose(0, 1) for tensor in (u, step, B, C, grad_y))
            du, order, before = d * x, _order(len(d), reverse), checkpoints[rows, c]
            decay, states, gradient = (tensor[: len(d)] for tensor in room)
            _advance(d, du, A, into, before, order, decay, states, _part(fresh, rows, part))
            grad_C[rows, part] = _over_channels(dy, states).transpose(0, 1)
            _retreat(dy, outof, carry[rows], order, decay, gradient)
            grad_B[rows, part] = _over_channels(du, gradient).transpose(0, 1)
            to_input = _over_states(into, gradient)
            exponent = _exponent(gradient, decay, states, before, reverse)
            to_step = exponent[:, :, 0] * A[0]
            for n in range(1, len(A)):
                to_step.addcmul_(exponent[:, :, n], A[n])
            for q in order:
                grad_A[rows].addcmul_(exponent[q], d[q][:, None])
            grad_u[rows, part] = (d * to_input).transpose(0, 1)
            grad_step[rows, part] = to_step.addcmul_(x, to_input).transpose(0, 1)
    return [grad_u, grad_step, grad_A.sum(0), grad_B, grad_C, carry]


def _chunks(length: int, reverse: bool) -> list[slice]:
    """Slices of at most CHUNK steps in scan order."""
    starts = range(0, length, CHUNK)
    return [slice(s, min(s + CHUNK, length)) for s in (reversed(starts) if reverse else starts)]


def _slabs(u: Tensor, A: Tensor) -> list[slice]:
    """Slices of samples; on a GPU, where the many threads want work, all samples at once."""
    batch = u.shape[0]
    size = max(1, SLAB // max(1, A.numel())) if u.device.type == "cpu" else max(1, batch)
    return [slice(s, min(s + size, batch)) for s in range(0, batch, size)]


def _rooms(count: int, u: Tensor, A: Tensor) -> list[Tensor]:
    """Working tensors (CHUNK, b, N, D) of a slab."""
    return [u.new_empty(min(CHUNK, u.shape[1]), u.shape[0], *A.shape) for _ in range(count)]


def _order(size: int, reverse: bool) -> range:
    return range(size - 1, -1, -1) if reverse else range(size)


def _part(fresh: Tensor | None, rows: slice, part: slice) -> Tensor | None:
    return None if fresh is None else fresh[rows, part].transpose(0, 1)


def _advance(d, du, A, into, h, order, decay, states, fresh) -> None:
    """Fill decays and states of a chunk from the state `h` before it; none decays into a `fresh` step."""
    torch.exp(torch.mul(d[:, :, None], A, out=decay), out=decay)
    if fresh is not None:
        decay.masked_fill_(fresh[..., None, None], 0)
    torch.mul(du[:, :, None], into[..., None], out=states)
    for q in order:
        h = states[q].addcmul_(decay[q], h)


def _retreat(dy, outof, carry, order, decay, gradient) -> None:
    """Fill the states' gradients; `carry`, that of the state after the chunk, becomes that of the state before it."""
    torch.mul(dy[:, :, None], outof[..., None], out=gradient)
    gradient[order[-1]] += carry
    for q, following in zip(order[-2::-1], order[:0:-1], strict=True):
        gradient[q].addcmul_(gradient[following], decay[following])
    torch.mul(gradient[order[0]], decay[order[0]], out=carry)


def _exponent(gradient, decay, states, before, reverse: bool) -> Tensor:
    """Gradient of step·A, in the place of the decays: gradient · decay · the state before each step."""
    exponent = decay.mul_(gradient)
    earlier, later = (slice(1, None), slice(None, -1)) if reverse else (slice(None, -1), slice(1, None))
    exponent[later].mul_(states[earlier])
    exponent[-1 if reverse else 0].mul_(before)
    return exponent


def _over_states(weights: Tensor, states: Tensor) -> Tensor:
    """Σ_n weights (q, b, N) · states (q, b, N, D) -> (q, b, D)."""
    return torch.matmul(weights[:, :, None], states)[:, :, 0]


def _over_channels(weights: Tensor, states: Tensor) -> Tensor:
    """Σ_d weights (q, b, D) · states (q, b, N, D) -> (q, b, N)."""
    # a row times the transpose: a product with a column takes a path ten times slower
    return torch.matmul(weights[:, :, None], states.transpose(2, 3))[:, :, 0]
