"""The bare recurrence in Numba, for machines without a C++ compiler.

A thread takes one sample and a group of channels, WIDTH of them at a time. As in selective_scan.cpp the forward pass
keeps the state before each CHUNK-th step only, and the backward pass recomputes one chunk at a time into a scratch that
stays in the caches: each exp(delta A) is evaluated twice. Arrays, all of one type: u, step (delta after softplus), y
(B, L, D); A (N, D), times log2 e; B, C (B, L, N); states (B, N, D); checkpoints (B, chunks, N, D); fresh (B, L), the
steps before which the state is forgotten, or (B, 0).
"""

import numpy as np
from llvmlite import ir
from numba import float32, int32, njit, prange
from numba.extending import intrinsic, overload

WIDTH = 64  # a few vectors, so that the processor has independent work
CHUNK = 16
# in the first only a product and a sum may be fused; in the second sums over channels may also take any order
FUSE, REORDER = {"contract"}, {"contract", "reassoc", "nsz"}

LOWEST, HIGHEST = np.float32(-126), np.float32(127)
MAGIC = np.float32(12582912)  # 1.5 * 2^23: adding it leaves the rounded integer in the low bits
# minimax fit of 2^f on [-1/2, 1/2], highest power first, p(0) = 1: relative error 1e-7
FIT = (0.000169482395, 0.00134355242, 0.00961263834, 0.0555020441, 0.240226963, 0.693147303, 1)
P6, P5, P4, P3, P2, P1, P0 = map(np.float32, FIT)


@intrinsic
def _as_float(typing, bits):
    return float32(int32), lambda _, builder, __, given: builder.bitcast(given[0], ir.FloatType())


@intrinsic
def _as_bits(typing, number):
    return int32(float32), lambda _, builder, __, given: builder.bitcast(given[0], ir.IntType(32))


def exp2(x):
    """2^x; in float32 by a polynomial, which compilers can vectorise where they cannot the C library's."""
    return np.exp2(x)


@overload(exp2, inline="always")
def _exp2(x):
    if x != float32:
        return lambda x: np.exp2(x)

    def polynomial(x):
        x = min(max(x, LOWEST), HIGHEST)
        shifted = x + MAGIC
        f = x - (shifted - MAGIC)
        p = (((((P6 * f + P5) * f + P4) * f + P3) * f + P2) * f + P1) * f + P0
        return _as_float(int32(_as_bits(p) + int32(_as_bits(shifted) << int32(23))))

    return polynomial


@njit(parallel=True, cache=True)
def forward(u, step, A, B, C, fresh, initial, y, last, checkpoints, reverse, groups):
    """Fill y, the last states and the checkpoints (of which there may be none)."""
    for task in prange(len(u) * groups):
        b, first, end = _share(task, u, groups)
        _forward(u[b], step[b], A, B[b], C[b], fresh[b], initial[b], y[b], last[b], checkpoints[b], reverse, first, end)


@njit(cache=True)
def _share(task, u, groups):
    """The sample of a task, its first channel and the one after its last."""
    b, g = task // groups, task % groups
    channels = u.shape[2]
    blocks = -(-channels // WIDTH)
    return b, blocks * g // groups * WIDTH, min(channels, blocks * (g + 1) // groups * WIDTH)


@njit(fastmath=FUSE, cache=True)
def _forward(u, step, A, B, C, fresh, initial, y, last, checkpoints, reverse, first, end):
    """One sample's channels from `first` to `end`; arrays as in `forward` without the batch."""
    length, states = len(u), len(A)
    h = np.empty((states, WIDTH), u.dtype)
    x, total = np.empty(WIDTH, u.dtype), np.empty(WIDTH, u.dtype)
    for d in range(first, end, WIDTH):
        width = min(WIDTH, end - d)
        here = slice(d, d + width)
        h[:, :width] = initial[:, here]
        for k in range(length):
            t = length - 1 - k if reverse else k
            if k % CHUNK == 0 and len(checkpoints):
                checkpoints[k // CHUNK, :, here] = h[:, :width]
            if len(fresh) and fresh[t]:
                h[:] = 0
            steps, inputs, outputs = step[t, here], u[t, here], y[t, here]
            for j in range(width):
                x[j] = steps[j] * inputs[j]
                total[j] = 0
            for n in range(states):
                into, outof, rates, state = B[t, n], C[t, n], A[n, here], h[n]
                for j in range(width):
                    value = exp2(steps[j] * rates[j]) * state[j] + x[j] * into
                    state[j] = value
                    total[j] += value * outof
            for j in range(width):
                outputs[j] = total[j]
        last[:, here] = h[:, :width]


@njit(fastmath=FUSE, cache=True)
def _recompute(steps, inputs, A, B, fresh, decay, before, after):
    """One step's decays, zero where the step is `fresh`, and the states after it; rows of `width` channels."""
    zero = steps.dtype.type(0)
    for n in range(len(B)):
        into, rates, factors, old, new = B[n], A[n], decay[n], before[n], after[n]
        for j in range(len(steps)):
            factor = zero if fresh else exp2(steps[j] * rates[j])
            factors[j] = factor
            new[j] = factor * old[j] + steps[j] * inputs[j] * into


@njit(fastmath=REORDER, cache=True)
def _walk_back(steps, inputs, grad_y, A, B, C, decay, before, after, carry, grad_A, grad_B, grad_C, sums):
    """One step's gradients; `carry` is that of the state after it and becomes that of the state before it."""
    x, to_input, to_exponent = sums
    for j in range(len(steps)):
        x[j] = steps[j] * inputs[j]
        to_input[j] = 0
        to_exponent[j] = 0
    for n in range(len(B)):
        into, outof, rates, factors, old, new = B[n], C[n], A[n], decay[n], before[n], after[n]
        carried, sum_A = carry[n], grad_A[n]
        to_B = to_C = steps.dtype.type(0)
        for j in range(len(steps)):
            to_C += grad_y[j] * new[j]
            gradient = carried[j] + grad_y[j] * outof
            to_B += gradient * x[j]
            to_input[j] += gradient * into
            through = gradient * factors[j]
            carried[j] = through
            exponent = through * old[j]
            to_exponent[j] += exponent * rates[j]
            sum_A[j] += exponent * steps[j]
        grad_B[n] += to_B
        grad_C[n] += to_C


@njit(parallel=True, cache=True)
def backward(
    u, step, A, B, C, fresh, checkpoints, grad_y, grad_last,
    grad_u, grad_step, grad_A, grad_B, grad_C, grad_initial, reverse, groups, ln_2,
):  # fmt: skip
    """Fill the gradients; grad_A (B, N, D) by sample, grad_B and grad_C (groups, B, L, N) by group of channels."""
    for task in prange(len(u) * groups):
        b, first, end = _share(task, u, groups)
        g = task % groups
        _backward(
            u[b], step[b], A, B[b], C[b], fresh[b], checkpoints[b], grad_y[b], grad_last[b], grad_u[b], grad_step[b],
            grad_A[b], grad_B[g, b], grad_C[g, b], grad_initial[b], reverse, first, end, ln_2,
        )  # fmt: skip


@njit(fastmath=FUSE, cache=True)
def _backward(
    u, step, A, B, C, fresh, checkpoints, grad_y, grad_last,
    grad_u, grad_step, grad_A, grad_B, grad_C, grad_initial, reverse, first, end, ln_2,
):  # fmt: skip
    """One sample's channels from `first` to `end`; arrays as in `backward` without the batch."""
    length, states = len(u), len(A)
    decay = np.empty((CHUNK, states, WIDTH), u.dtype)
    kept = np.empty((CHUNK + 1, states, WIDTH), u.dtype)
    carry, sum_A = np.empty((states, WIDTH), u.dtype), np.empty((states, WIDTH), u.dtype)
    rates = np.empty((states, WIDTH), u.dtype)
    sums = np.empty(WIDTH, u.dtype), np.empty(WIDTH, u.dtype), np.empty(WIDTH, u.dtype)
    grad_B[:] = 0
    grad_C[:] = 0
    for d in range(first, end, WIDTH):
        width = min(WIDTH, end - d)
        here = slice(d, d + width)
        carry[:, :width] = grad_last[:, here]
        rates[:, :width] = A[:, here]
        sum_A[:] = 0
        for c in range(-(-length // CHUNK) - 1, -1, -1):
            size = min(CHUNK, length - c * CHUNK)
            kept[0, :, :width] = checkpoints[c, :, here]
            for k in range(size):
                t = length - 1 - c * CHUNK - k if reverse else c * CHUNK + k
                begins = len(fresh) > 0 and fresh[t]
                _recompute(step[t, here], u[t, here], rates, B[t], begins, decay[k], kept[k], kept[k + 1])
            for k in range(size - 1, -1, -1):
                t = length - 1 - c * CHUNK - k if reverse else c * CHUNK + k
                steps, inputs = step[t, here], u[t, here]
                _walk_back(
                    steps, inputs, grad_y[t, here], rates, B[t], C[t], decay[k], kept[k], kept[k + 1],
                    carry, sum_A, grad_B[t], grad_C[t], sums,
                )  # fmt: skip
                to_u, to_step = grad_u[t, here], grad_step[t, here]
                for j in range(width):
                    to_u[j] = steps[j] * sums[1][j]
                    to_step[j] = sums[2][j] * ln_2 + inputs[j] * sums[1][j]
        grad_initial[:, here] = carry[:, :width]
        grad_A[:, here] = sum_A[:, :width]
