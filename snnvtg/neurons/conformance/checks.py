"""The checks. Each takes a subject and a case and raises Mismatch where the backend leaves the reference."""

from collections.abc import Callable

import torch
from torch import Tensor

from snnvtg.errors import BackendError, InputError
from snnvtg.neurons.conformance.cases import Case
from snnvtg.neurons.conformance.smoothed import smoothed
from snnvtg.neurons.conformance.subject import Mismatch, Subject, both, leaves, weights
from snnvtg.neurons.lif import lif_reference

RELATIVE = 1e-5  # gradients in float32: the sum over T may be taken in another order
CHECKS: dict[str, Callable[[Subject, Case], None]] = {}


def check(function: Callable[[Subject, Case], None]) -> Callable[[Subject, Case], None]:
    """Enter a check under its name, with spaces."""
    CHECKS[function.__name__.replace("_", " ")] = function
    return function


def close(what: str, mine: Tensor, reference: Tensor, relative: float) -> None:
    """Within `relative` of the largest value of the reference's answer."""
    if mine.shape != reference.shape or mine.dtype != reference.dtype:
        raise Mismatch(
            f"{what}: {tuple(mine.shape)} {mine.dtype}, the reference gives {tuple(reference.shape)} {reference.dtype}"
        )
    if reference.numel() == 0:
        return
    error, size = (mine - reference).abs().max().item(), reference.abs().max().item()
    if not error <= relative * max(size, 1.0):
        raise Mismatch(f"{what}: off by {error:.3g}, largest value {size:.3g}, allowed {relative:g} relative")


def same_spikes(
    subject: Subject,
    case: Case,
    current: Tensor,
    mine: Tensor,
    reference: Tensor,
    v: Tensor | None = None,
    **learned: Tensor,
) -> Tensor:
    """Raise unless spikes agree bit for bit outside the backend's band; returns which neurons (...) agree throughout.

    A neuron may differ from the step on at which its potential lies within `band` units in the last place per step of
    the threshold, of the size of the potential there.
    """
    differs = mine != reference
    if subject.backend.band == 0:
        if differs.any():
            raise Mismatch(f"{int(differs.sum())} of {differs.numel()} spikes differ; none may (band 0)")
        return torch.ones_like(differs[0])
    threshold = learned.get("v_threshold", torch.tensor(case.parameters.v_threshold))
    h, seen = torch.zeros_like(current[0]) if v is None else v, torch.zeros_like(differs[0])
    for t, (x, wrong) in enumerate(zip(current, differs, strict=True)):
        u = h + x
        width = subject.backend.band * (t + 1) * torch.finfo(u.dtype).eps * u.abs().clamp_min(1)
        excused = (u - threshold).abs() <= width
        if (wrong & ~excused & ~seen).any():
            raise Mismatch(f"a spike differs at step {t} outside the band of {subject.backend.band} ulp a step")
        seen |= wrong
        _, h = lif_reference(x.unsqueeze(0), case.parameters, h, **learned)
    return ~seen


def compare(subject: Subject, case: Case, current: Tensor, v: Tensor | None = None) -> None:
    """Spikes, final state and gradients of the backend against the reference."""
    learned = {name: t.detach() for name, t in leaves(subject, case, current).items() if name != "current"}
    mine, reference = both(subject, case, current, v)
    agree = same_spikes(subject, case, current, mine.spikes, reference.spikes, v, **learned)
    close("final state", mine.state[agree], reference.state[agree], 1e-5 if subject.backend.band else 0)
    for name, grad in reference.grads.items():
        per_neuron = name in ("current", "v")
        one, two = (g[..., agree] if per_neuron else g for g in (mine.grads[name], grad))
        close(f"gradient of {name}", one, two, RELATIVE)


@check
def spikes_state_and_gradients(subject: Subject, case: Case) -> None:
    """Random currents around the threshold, with and without an initial state."""
    current = subject.randn(6, 3, 5, 19) * 1.2 + 0.3
    compare(subject, case, current)
    compare(subject, case, current, v=subject.randn(3, 5, 19, seed=1))


@check
def one_step(subject: Subject, case: Case) -> None:
    """T = 1, with an initial state that takes a gradient."""
    compare(subject, case, subject.randn(1, 4, 33) + 1, v=subject.randn(4, 33, seed=1))


@check
def many_steps(subject: Subject, case: Case) -> None:
    """T = 67: longer than any unrolling."""
    compare(subject, case, subject.randn(67, 2, 9) * 0.8 + 0.2)


@check
def odd_and_empty_shapes(subject: Subject, case: Case) -> None:
    """One neuron, a prime number of them, more than one block, five axes, and none at all."""
    for shape in ((3, 1), (2, 17), (2, 3, 1031), (2, 1, 3, 2, 2)):
        compare(subject, case, subject.randn(*shape) + 0.8)
    spikes, state = subject.run(subject.randn(3, 0, 5), case.parameters)
    if spikes.shape != (3, 0, 5) or state.shape != (0, 5):
        raise Mismatch(f"empty input (3, 0, 5) gave spikes {tuple(spikes.shape)} and state {tuple(state.shape)}")


@check
def non_contiguous_input(subject: Subject, case: Case) -> None:
    """Transposed, strided, reversed and expanded currents."""
    base = subject.randn(7, 8, 10) + 0.5
    for view in (base.transpose(1, 2), base[::2], base[..., 1::3], base.permute(2, 0, 1), base[:, :1].expand(7, 4, 10)):
        expected, _ = lif_reference(view, case.parameters)
        spikes, _ = subject.run(view, case.parameters)
        same_spikes(subject, case, view, spikes, expected)


@check
def ties_at_the_threshold(subject: Subject, case: Case) -> None:
    """A potential exactly at the threshold fires, the next number below does not; by current and by state."""
    th = torch.tensor(case.parameters.v_threshold, device=subject.device)
    below = torch.nextafter(th, torch.zeros_like(th))
    current = torch.stack([th, below, torch.zeros_like(th), torch.zeros_like(th)]).unsqueeze(0)
    v = torch.stack([torch.zeros_like(th), torch.zeros_like(th), th, below])
    spikes, _ = subject.run(current, case.parameters, v=v)
    if spikes.flatten().tolist() != [1, 0, 1, 0]:
        raise Mismatch(f"potentials (th, just below, th, just below) gave spikes {spikes.flatten().tolist()}")
    # the tie after a leak, where the arithmetic is exact: 0.5 * 0.75 + 0.625 = 1
    if case.parameters.beta == 0.5 and case.parameters.v_threshold == 1:
        currents = torch.tensor([[0.75], [0.625]], device=subject.device)
        spikes, _ = subject.run(currents, case.parameters)
        if spikes.flatten().tolist() != [0, 1]:
            raise Mismatch(f"0.5 * 0.75 + 0.625 = 1 should fire at its second step, got {spikes.flatten().tolist()}")


@check
def nan_is_no_spike(subject: Subject, case: Case) -> None:
    """A NaN current gives an error, or NaN in its own neuron only, and never a spike from then on."""
    current = subject.randn(5, 4, 6) + 0.8
    expected, _ = lif_reference(current, case.parameters)
    current[2, 1, 3] = torch.nan
    try:
        spikes, _ = subject.run(current, case.parameters)
    except BackendError:
        raise
    except InputError:
        return
    broken = spikes[:, 1, 3].clone()
    if (broken[2:] == 1).any() or not broken[2:].isnan().all():
        raise Mismatch(f"NaN at step 2 of 5 gave {broken.tolist()}")
    spikes[:, 1, 3] = expected[:, 1, 3]
    same_spikes(subject, case, current.nan_to_num(), spikes, expected)


@check
def deterministic(subject: Subject, case: Case) -> None:
    """Twice the same, to the last bit, gradients of shared parameters included."""
    current = subject.randn(5, 64, 301) + 0.4
    first, second = (_answer(subject, case, current) for _ in range(2))
    for name, one, two in zip(first, first.values(), second.values(), strict=True):
        if not torch.equal(one, two):
            raise Mismatch(f"{name} differs between two runs")


def _answer(subject: Subject, case: Case, current: Tensor) -> dict[str, Tensor]:
    inputs = leaves(subject, case, current)
    spikes, state = subject.run(parameters=case.parameters, **inputs)
    w, w_state = weights(subject, spikes.detach(), state.detach())
    grads = torch.autograd.grad((spikes * w).sum() + (state * w_state).sum(), list(inputs.values()))
    return {"spikes": spikes, "state": state} | dict(zip(inputs, grads, strict=True))


@check
def repeated_current(subject: Subject, case: Case) -> None:
    """`num_timesteps` equals the current written out T times, in spikes and in the current's gradient."""
    once = subject.randn(3, 5, 7) + 0.6
    mine, reference = (leaves(subject, case, once) for _ in range(2))
    spikes, state = subject.run(parameters=case.parameters, num_timesteps=5, **mine)
    current = reference.pop("current")
    expected, expected_state = lif_reference(current.expand(5, *current.shape), case.parameters, **reference)
    reference = {name: t.detach() for name, t in reference.items()}
    same_spikes(subject, case, once.expand(5, *once.shape), spikes.detach(), expected.detach(), **reference)
    w, w_state = weights(subject, spikes.detach(), state.detach())
    ((spikes * w).sum() + (state * w_state).sum()).backward()
    ((expected * w).sum() + (expected_state * w_state).sum()).backward()
    close("gradient of the repeated current", mine["current"].grad, current.grad, RELATIVE)


@check
def affine_current_and_mean(subject: Subject, case: Case) -> None:
    """scale * current + shift per channel and the mean over T, with their gradients."""
    current = subject.randn(4, 3, 6)
    scale, shift = subject.randn(6, seed=2), 0.5 + 0.1 * subject.randn(6, seed=3)
    mine, reference = ([t.clone().requires_grad_() for t in (current, scale, shift)] for _ in range(2))
    rate, _ = subject.run(mine[0], case.parameters, scale=mine[1], shift=mine[2], reduction="mean")
    expected = lif_reference(reference[0] * reference[1] + reference[2], case.parameters)[0].mean(0)
    if subject.backend.band == 0 and not torch.equal(rate, expected):
        raise Mismatch("the mean over T differs from the mean of the reference's spikes")
    close("mean over T", rate, expected, 1e-6)
    w = subject.randn(*rate.shape, seed=5)
    (rate * w).sum().backward()
    (expected * w).sum().backward()
    for name, one, two in zip(("current", "scale", "shift"), mine, reference, strict=True):
        close(f"gradient of {name}", one.grad, two.grad, RELATIVE)


@check
def half_precision_and_double(subject: Subject, case: Case) -> None:
    """bfloat16 and float16 currents: state in float32, spikes exact; float64 throughout."""
    for dtype, relative in ((torch.bfloat16, 1e-2), (torch.float16, 2e-3), (torch.float64, 1e-12)):
        current = (subject.randn(5, 3, 13) + 0.5).to(dtype)
        mine, reference = both(subject, case, current)
        state = torch.float64 if dtype == torch.float64 else torch.float32
        learned = {name: t.detach() for name, t in leaves(subject, case, current).items() if name != "current"}
        same_spikes(subject, case, current.to(state), mine.spikes, reference.spikes, **learned)
        close(f"final state for {dtype}", mine.state, reference.state, 1e-12 if dtype == torch.float64 else 1e-5)
        close(f"gradient for {dtype}", mine.grads["current"].to(state), reference.grads["current"].to(state), relative)


@check
def finite_differences(subject: Subject, case: Case) -> None:
    """In float64, the gradient along random directions equals the smoothed neuron's finite difference."""
    current = subject.randn(5, 2, 9, dtype=torch.float64) + 0.4
    inputs = leaves(subject, case, current, v=subject.randn(2, 9, seed=1, dtype=torch.float64))
    spikes, state = subject.run(parameters=case.parameters, **inputs)
    w, w_state = weights(subject, spikes.detach(), state.detach())
    grads = torch.autograd.grad((spikes * w).sum() + (state * w_state).sum(), list(inputs.values()))
    p = case.parameters
    constants = {
        name: torch.tensor(getattr(p, name), dtype=torch.float64, device=subject.device)
        for name in ("beta", "v_threshold")
    }
    point = constants | {name: t.detach() for name, t in inputs.items()}
    order = ("current", "v", "beta", "v_threshold")
    neuron = smoothed(p, *(point[name] for name in order))

    def loss(step: float, directions: dict[str, Tensor]) -> float:
        moved = [point[name] + step * directions.get(name, 0) for name in order]
        s, h = neuron(*moved)
        return ((s * w).sum() + (h * w_state).sum()).item()

    for seed in range(4):
        directions = {
            name: subject.randn(*t.shape, seed=100 * seed + i, dtype=torch.float64)
            for i, (name, t) in enumerate(inputs.items())
        }
        expected = (loss(1e-6, directions) - loss(-1e-6, directions)) / 2e-6
        got = sum((g * directions[name]).sum().item() for name, g in zip(inputs, grads, strict=True))
        if not abs(got - expected) <= 1e-6 * max(1.0, abs(expected)):
            raise Mismatch(f"directional derivative {got:.9g}, finite difference {expected:.9g}")
