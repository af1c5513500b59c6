"""The Triton kernels of the scan, for GPUs without mamba-ssm's.

One program owns WIDTH channels of one sample for all steps, its states (STATES, WIDTH) in registers. The forward pass
stores the states before each CHUNK-th step; the backward pass recomputes one chunk at a time into `scratch`, read back
by the program that wrote it. Layouts as in operator.py, checkpoints (B, chunks, N, D) in a row of `checkpoint_row`.
"""

import triton
import triton.language as tl


@triton.jit
def softplus(x):
    """log(1 + e^x) without losing small results, and its slope."""
    e = tl.exp(-tl.abs(x))
    rounded = 1.0 + e
    # log1p from log: the ratio undoes the rounding of 1 + e
    above = rounded - 1.0
    log1p = tl.where(above == 0.0, e, tl.log(rounded) * (e / tl.where(above == 0.0, 1.0, above)))
    return tl.maximum(x, 0.0) + log1p, tl.where(x >= 0.0, 1.0, e) / rounded


@triton.jit
def sigmoid(x):
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0.0, 1.0, e) / (1.0 + e)


@triton.jit
def step_of(i, length, REVERSE: tl.constexpr):
    if REVERSE:
        t = length - 1 - i
    else:
        t = i
    return t


@triton.jit
def read_step(u, delta, mask, bias, row, d, inside, channels, HAS_MASK: tl.constexpr, SOFTPLUS: tl.constexpr):
    """u, the step's length with its slope, and whether the position is valid: an invalid one has length and u zero."""
    valid = inside
    if HAS_MASK:
        valid = inside & (tl.load(mask + row) != 0)
    x = tl.load(u + row * channels + d, mask=valid, other=0.0)
    raw = tl.load(delta + row * channels + d, mask=valid, other=0.0) + bias
    if SOFTPLUS:
        dt, slope = softplus(raw)
    else:
        dt, slope = raw, raw * 0.0 + 1.0
    return x, tl.where(valid, dt, 0.0), slope, valid


@triton.jit
def forward_kernel(
    u, delta, A, B, C, D, bias, initial, z, mask, y, out, last, checkpoints,
    length, channels, states, checkpoint_row,
    STATES: tl.constexpr, WIDTH: tl.constexpr, CHUNK: tl.constexpr,
    SOFTPLUS: tl.constexpr, REVERSE: tl.constexpr, ADD: tl.constexpr, GATE: tl.constexpr, STORE_Y: tl.constexpr,
    KEEP: tl.constexpr, HAS_D: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_INITIAL: tl.constexpr, HAS_MASK: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    n = tl.arange(0, STATES)
    inside, within = d < channels, n < states
    both = within[:, None] & inside[None, :]
    place = n[:, None] * channels + d[None, :]
    rates = tl.load(A + place, mask=both, other=0.0)
    h = rates * 0.0
    if HAS_INITIAL:
        h = tl.load(initial + b * states * channels + place, mask=both, other=0.0)
    shift = tl.load(bias + d, mask=inside, other=0.0) if HAS_BIAS else 0.0
    skip = tl.load(D + d, mask=inside, other=0.0) if HAS_D else 0.0
    chunks = tl.cdiv(length, CHUNK)
    for i in range(length):
        if KEEP:  # noqa: SIM102 - known when compiled, so that no test remains where nothing is kept
            if i % CHUNK == 0:
                tl.store(checkpoints + (b * chunks + i // CHUNK) * checkpoint_row + place, h, mask=both)
        row = b * length + step_of(i, length, REVERSE)
        x, dt, _, valid = read_step(u, delta, mask, shift, row, d, inside, channels, HAS_MASK, SOFTPLUS)
        one = within
        if HAS_MASK:
            one = within & (tl.load(mask + row) != 0)
        into = tl.load(B + row * states + n, mask=one, other=0.0)
        outof = tl.load(C + row * states + n, mask=one, other=0.0)
        h = tl.exp(dt[None, :] * rates) * h + (dt * x)[None, :] * into[:, None]
        value = tl.sum(h * outof[:, None], 0)
        if HAS_D:
            value += skip * x
        at = row * channels + d
        if ADD:
            value += tl.load(y + at, mask=inside, other=0.0)
        value = tl.where(valid, value, 0.0)
        if STORE_Y:
            tl.store(y + at, value, mask=inside)
        if GATE:
            gate = tl.load(z + at, mask=valid, other=0.0)
            tl.store(out + at, value * gate * sigmoid(gate), mask=inside)
    tl.store(last + b * states * channels + place, h, mask=both)


@triton.jit
def backward_kernel(
    u, delta, A, B, C, D, bias, z, mask, y, grad_out, grad_last, checkpoints, scratch,
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_bias, grad_initial, grad_z,
    batch, length, channels, states, checkpoint_row,
    STATES: tl.constexpr, WIDTH: tl.constexpr, CHUNK: tl.constexpr,
    SOFTPLUS: tl.constexpr, REVERSE: tl.constexpr, GATE: tl.constexpr, STORE_Z: tl.constexpr,
    HAS_D: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_LAST: tl.constexpr, HAS_MASK: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1).to(tl.int64)
    d = block * WIDTH + tl.arange(0, WIDTH)
    n = tl.arange(0, STATES)
    inside, within = d < channels, n < states
    both = within[:, None] & inside[None, :]
    place = n[:, None] * channels + d[None, :]
    rates = tl.load(A + place, mask=both, other=0.0)
    carry = rates * 0.0
    if HAS_LAST:
        carry = tl.load(grad_last + b * states * channels + place, mask=both, other=0.0)
    shift = tl.load(bias + d, mask=inside, other=0.0) if HAS_BIAS else 0.0
    skip = tl.load(D + d, mask=inside, other=0.0) if HAS_D else 0.0
    sum_A, sum_D, sum_bias = rates * 0.0, tl.sum(rates * 0.0, 0), tl.sum(rates * 0.0, 0)
    own = scratch + (b * tl.num_programs(1) + block) * CHUNK * STATES * WIDTH
    own += n[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    chunks = tl.cdiv(length, CHUNK)
    for c in range(chunks):
        start = (chunks - 1 - c) * CHUNK
        size = tl.minimum(CHUNK, length - start)
        h = tl.load(checkpoints + (b * chunks + chunks - 1 - c) * checkpoint_row + place, mask=both, other=0.0)
        for k in range(size):
            row = b * length + step_of(start + k, length, REVERSE)
            x, dt, _, valid = read_step(u, delta, mask, shift, row, d, inside, channels, HAS_MASK, SOFTPLUS)
            one = within
            if HAS_MASK:
                one = within & (tl.load(mask + row) != 0)
            into = tl.load(B + row * states + n, mask=one, other=0.0)
            tl.store(own + k * STATES * WIDTH, h)
            h = tl.exp(dt[None, :] * rates) * h + (dt * x)[None, :] * into[:, None]
        tl.debug_barrier()
        for j in range(size):
            k = size - 1 - j
            row = b * length + step_of(start + k, length, REVERSE)
            x, dt, slope, valid = read_step(u, delta, mask, shift, row, d, inside, channels, HAS_MASK, SOFTPLUS)
            one = within
            if HAS_MASK:
                one = within & (tl.load(mask + row) != 0)
            into = tl.load(B + row * states + n, mask=one, other=0.0)
            outof = tl.load(C + row * states + n, mask=one, other=0.0)
            before = tl.load(own + k * STATES * WIDTH)
            decay = tl.exp(dt[None, :] * rates)
            h = decay * before + (dt * x)[None, :] * into[:, None]
            at = row * channels + d
            dy = tl.load(grad_out + at, mask=valid, other=0.0)
            if GATE:
                gate = tl.load(z + at, mask=valid, other=0.0)
                open_ = sigmoid(gate)
                if STORE_Z:
                    ungated = tl.load(y + at, mask=valid, other=0.0)
                    tl.store(grad_z + at, dy * ungated * open_ * (1.0 + gate * (1.0 - open_)), mask=inside)
                dy *= gate * open_
            gradient = carry + dy[None, :] * outof[:, None]
            carry = gradient * decay
            exponent = carry * before
            to_input = tl.sum(gradient * into[:, None], 0)
            to_delta = (tl.sum(exponent * rates, 0) + x * to_input) * slope
            # an invalid position has a step of length zero, not a length that could change
            to_delta = tl.where(valid, to_delta, 0.0)
            to_u = dt * to_input
            if HAS_D:
                to_u += skip * dy
            tl.store(grad_u + at, to_u, mask=inside)
            tl.store(grad_delta + at, to_delta, mask=inside)
            shared = ((block * batch + b) * length + step_of(start + k, length, REVERSE)) * states + n
            tl.store(grad_B + shared, tl.sum(gradient * (dt * x)[None, :], 1), mask=within)
            to_C = tl.sum(h * dy[None, :], 1)
            tl.store(grad_C + shared, to_C, mask=within)
            sum_A += exponent * dt[None, :]
            sum_D += dy * x
            sum_bias += to_delta
        tl.debug_barrier()
    own_state = b * states * channels + place
    tl.store(grad_A + own_state, sum_A, mask=both)
    tl.store(grad_initial + own_state, carry, mask=both)
    tl.store(grad_D + b * channels + d, sum_D, mask=inside)
    tl.store(grad_bias + b * channels + d, sum_bias, mask=inside)
