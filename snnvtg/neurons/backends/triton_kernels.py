"""The Triton kernels of `fused`; the derivation of the gradient is in lif.cpp.

One program owns BLOCK neurons for all T steps. Up to UNROLLED steps the potentials of the forward recurrence stay in
registers while the backward is formed; beyond that they pass through `potentials`, each read back by the program that
wrote it. Every kernel is one launch whatever T is.

Offsets are 64 bit and move by one step at a time: a product of step and neurons in 32 bit ends at 2^31. A beta or
threshold that is a plain number arrives as the bits of a double, so that nothing has to be put on the device for it.
"""

import triton
import triton.language as tl


@triton.jit
def spike(u, th):
    """1 at or above the threshold, NaN for NaN."""
    return tl.where(u == u, tl.where(u >= th, 1.0, 0.0).to(u.dtype), u)


@triton.jit
def next_state(u, s, b, th, RESET_TO: tl.constexpr, SOFT: tl.constexpr):
    """H[t] of Eq. 4, in the reference's order of operations."""
    if SOFT:
        h = b * (u - th * s)
    else:
        h = RESET_TO * s + (b * u) * (1.0 - s)
    return h


@triton.jit
def slope(x, KIND: tl.constexpr, ALPHA: tl.constexpr):
    """The surrogate derivative number KIND of surrogate.py."""
    size = tl.abs(x)
    if KIND == 0:
        z = (1.5707963267948966 * ALPHA) * x
        y = (ALPHA / 2) / (1.0 + z * z)
    elif KIND == 1:
        e = tl.exp(-ALPHA * size)
        y = ALPHA * e / ((1.0 + e) * (1.0 + e))
    elif KIND == 2:
        y = ALPHA - ALPHA * ALPHA * size
        y = tl.where(y < 0, 0.0, y)
    elif KIND == 3:
        y = (ALPHA / 2) * tl.exp(-ALPHA * size)
    elif KIND == 4:
        z = 1.0 + ALPHA * size
        y = (ALPHA / 2) / (z * z)
    elif KIND == 5:
        z = 1.0 + size
        y = ALPHA / (z * z)
    elif KIND == 6:
        z = ALPHA * x
        y = (ALPHA * 0.5641895835477563) * tl.exp(-z * z)
    elif KIND == 7:
        z = 1.0 + ALPHA * size
        y = 1.0 / (z * z)
    elif KIND == 8:
        y = tl.where(size < 0.5 / ALPHA, ALPHA, 0.0 * x)
    else:
        y = 1.0 + 0.0 * x
    return y.to(x.dtype)


@triton.jit
def per_neuron(pointer, bits, at, mask, channels, F: tl.constexpr, KIND: tl.constexpr):
    """A parameter for each neuron of the block: KIND 2 its own value, 1 the one value there is, 0 the number `bits`."""
    if KIND == 2:
        value = tl.load(pointer + at % channels, mask=mask, other=0.0)
    elif KIND == 1:
        value = tl.load(pointer)
    else:
        value = tl.cast(bits, tl.int64).to(tl.float64, bitcast=True).to(F)
    return value


@triton.jit
def factor(pointer, at, mask, channels, GIVEN: tl.constexpr):
    """Scale or shift of each neuron of the block; not used where not given."""
    if GIVEN:
        value = tl.load(pointer + at % channels, mask=mask, other=0.0)
    else:
        value = 1.0
    return value


@triton.jit
def feed(current, offset, mask, sc, sh, F: tl.constexpr, AFFINE: tl.constexpr):
    """The current of one step in the state's type, scaled and shifted."""
    x = tl.load(current + offset, mask=mask, other=0.0).to(F)
    if AFFINE:
        x = x * sc + sh
    return x


@triton.jit
def start(state, at, mask, F: tl.constexpr, BLOCK: tl.constexpr, GIVEN: tl.constexpr):
    """The given initial values, else zeros."""
    if GIVEN:
        h = tl.load(state + at, mask=mask, other=0.0)
    else:
        h = tl.zeros([BLOCK], F)
    return h


@triton.jit(do_not_specialize=["steps", "beta_bits", "threshold_bits"])
def forward_kernel(
    current, state, beta, threshold, scale, shift, out, state_out, potential, steps, neurons, channels, beta_bits,
    threshold_bits,
    F: tl.constexpr, STEPS: tl.constexpr, REPEAT: tl.constexpr, MEAN: tl.constexpr, SOFT: tl.constexpr,
    RESET_TO: tl.constexpr, GIVEN: tl.constexpr, AFFINE: tl.constexpr, BETA: tl.constexpr, THRESHOLD: tl.constexpr,
    TRACE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """All T steps forward for one block; STEPS > 0 unrolls them, so that loads need not wait for the state."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < neurons
    b = per_neuron(beta, beta_bits, at, mask, channels, F, BETA)
    th = per_neuron(threshold, threshold_bits, at, mask, channels, F, THRESHOLD)
    sc = factor(scale, at, mask, channels, AFFINE)
    sh = factor(shift, at, mask, channels, AFFINE)
    h = start(state, at, mask, F, BLOCK, GIVEN)
    total = tl.zeros([BLOCK], F)
    x = feed(current, at, mask, sc, sh, F, AFFINE)
    offset = at
    if STEPS > 0:
        for t in tl.static_range(STEPS):
            if not REPEAT and t > 0:
                x = feed(current, offset, mask, sc, sh, F, AFFINE)
            u = h + x
            s = spike(u, th)
            if TRACE:
                tl.store(potential + offset, u, mask=mask)
            h = next_state(u, s, b, th, RESET_TO, SOFT)
            if MEAN:
                total += s
            else:
                tl.store(out + offset, s.to(out.dtype.element_ty), mask=mask)
            offset += neurons
    else:
        for _ in range(steps):
            if not REPEAT:
                x = feed(current, offset, mask, sc, sh, F, AFFINE)
            u = h + x
            s = spike(u, th)
            if TRACE:
                tl.store(potential + offset, u, mask=mask)
            h = next_state(u, s, b, th, RESET_TO, SOFT)
            if MEAN:
                total += s
            else:
                tl.store(out + offset, s.to(out.dtype.element_ty), mask=mask)
            offset += neurons
    if MEAN:
        tl.store(out + at, (total / steps.to(F)).to(out.dtype.element_ty), mask=mask)
    tl.store(state_out + at, h, mask=mask)


@triton.jit
def retreat(
    u, gs, gh, b, th, RESET_TO: tl.constexpr, SOFT: tl.constexpr, DETACH: tl.constexpr, KIND: tl.constexpr,
    ALPHA: tl.constexpr,
):  # fmt: skip
    """One step backward: (g(U), what g(beta) gains, what g(threshold) gains)."""
    s = spike(u, th)
    p = gs
    if not DETACH:
        if SOFT:
            p += gh * (-b * th)
        else:
            p += gh * (RESET_TO - b * u)
    through = p * slope(u - th, KIND, ALPHA)
    if SOFT:
        gu = through + gh * b
        gb = gh * (u - th * s)
        gth = -(through + gh * b * s)
    else:
        gu = through + gh * (b * (1.0 - s))
        gb = gh * (u * (1.0 - s))
        gth = -through
    return gu, gb, gth


@triton.jit(do_not_specialize=["steps", "beta_bits", "threshold_bits"])
def backward_kernel(
    current, state, beta, threshold, scale, shift, grad_out, grad_state_out, grad_potential, potentials, grad_current,
    grad_state, grad_beta, grad_threshold, grad_scale, grad_shift, steps, neurons, channels, beta_bits, threshold_bits,
    F: tl.constexpr, STEPS: tl.constexpr, REPEAT: tl.constexpr, MEAN: tl.constexpr, SOFT: tl.constexpr,
    DETACH: tl.constexpr, KIND: tl.constexpr, ALPHA: tl.constexpr, RESET_TO: tl.constexpr, GIVEN: tl.constexpr,
    STATE_GRADIENT: tl.constexpr, AFFINE: tl.constexpr, BETA: tl.constexpr, THRESHOLD: tl.constexpr,
    TRACE: tl.constexpr, TRUNCATE: tl.constexpr, WANT_CURRENT: tl.constexpr, WANT_STATE: tl.constexpr,
    WANT_BETA: tl.constexpr, WANT_THRESHOLD: tl.constexpr, WANT_SCALE: tl.constexpr, WANT_SHIFT: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The recurrence forward once more for one block, then the gradient back through all T steps."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < neurons
    b = per_neuron(beta, beta_bits, at, mask, channels, F, BETA)
    th = per_neuron(threshold, threshold_bits, at, mask, channels, F, THRESHOLD)
    sc = factor(scale, at, mask, channels, AFFINE)
    sh = factor(shift, at, mask, channels, AFFINE)
    h = start(state, at, mask, F, BLOCK, GIVEN)
    x = feed(current, at, mask, sc, sh, F, AFFINE)
    us = ()
    offset = at
    if STEPS > 0:
        for t in tl.static_range(STEPS):
            if not REPEAT and t > 0:
                x = feed(current, offset, mask, sc, sh, F, AFFINE)
            u = h + x
            us = us + (u,)  # noqa: RUF005 (Triton has no unpacking)
            h = next_state(u, spike(u, th), b, th, RESET_TO, SOFT)
            offset += neurons
    else:
        for _ in range(steps):
            if not REPEAT:
                x = feed(current, offset, mask, sc, sh, F, AFFINE)
            u = h + x
            tl.store(potentials + offset, u, mask=mask)
            h = next_state(u, spike(u, th), b, th, RESET_TO, SOFT)
            offset += neurons
        tl.debug_barrier()  # the thread that reads a potential back may not be the one that wrote it

    gh = start(grad_state_out, at, mask, F, BLOCK, STATE_GRADIENT)
    gb, gth, gsc, gsh, gx = (
        tl.zeros([BLOCK], F), tl.zeros([BLOCK], F), tl.zeros([BLOCK], F), tl.zeros([BLOCK], F), tl.zeros([BLOCK], F),
    )  # fmt: skip
    gs = gh
    if MEAN:
        gs = tl.load(grad_out + at, mask=mask, other=0.0).to(F) / steps.to(F)
    if STEPS > 0:
        for back in tl.static_range(STEPS):
            offset -= neurons
            if not MEAN:
                gs = tl.load(grad_out + offset, mask=mask, other=0.0).to(F)
            gh, db, dth = retreat(us[STEPS - 1 - back], gs, gh, b, th, RESET_TO, SOFT, DETACH, KIND, ALPHA)
            if TRACE:
                gh += tl.load(grad_potential + offset, mask=mask, other=0.0)
            gb += db
            gth += dth
            gx += gh
            if AFFINE:
                gsc += gh * feed(current, at if REPEAT else offset, mask, sc, sh, F, False)
            if WANT_CURRENT and not REPEAT:
                gi = gh * sc if AFFINE else gh
                tl.store(grad_current + offset, gi.to(grad_current.dtype.element_ty), mask=mask)
            # in two, for the compiler takes the remainder even where the first half is false
            if TRUNCATE > 0 and back < STEPS - 1:  # noqa: SIM102
                if (STEPS - 1 - back) % TRUNCATE == 0:
                    gh = tl.zeros([BLOCK], F)
    else:
        for back in range(steps):
            offset -= neurons
            if not MEAN:
                gs = tl.load(grad_out + offset, mask=mask, other=0.0).to(F)
            u = tl.load(potentials + offset, mask=mask, other=0.0)
            gh, db, dth = retreat(u, gs, gh, b, th, RESET_TO, SOFT, DETACH, KIND, ALPHA)
            if TRACE:
                gh += tl.load(grad_potential + offset, mask=mask, other=0.0)
            gb += db
            gth += dth
            gx += gh
            if AFFINE:
                gsc += gh * feed(current, at if REPEAT else offset, mask, sc, sh, F, False)
            if WANT_CURRENT and not REPEAT:
                gi = gh * sc if AFFINE else gh
                tl.store(grad_current + offset, gi.to(grad_current.dtype.element_ty), mask=mask)
            if TRUNCATE > 0:
                cut = (back < steps - 1) & ((steps - 1 - back) % TRUNCATE == 0)
                gh = tl.where(cut, 0.0, gh)
    gsh = gx
    if WANT_CURRENT and REPEAT:
        gi = gx * sc if AFFINE else gx
        tl.store(grad_current + at, gi.to(grad_current.dtype.element_ty), mask=mask)
    if WANT_STATE:
        tl.store(grad_state + at, gh, mask=mask)
    if WANT_BETA:
        tl.store(grad_beta + at, gb, mask=mask)
    if WANT_THRESHOLD:
        tl.store(grad_threshold + at, gth, mask=mask)
    if WANT_SCALE:
        tl.store(grad_scale + at, gsc, mask=mask)
    if WANT_SHIFT:
        tl.store(grad_shift + at, gsh, mask=mask)
