"""Checks of what a call may ask for beyond spikes and state: potentials, truncation, a value per neuron."""

from dataclasses import replace

import torch

from snnvtg.neurons.conformance.cases import Case
from snnvtg.neurons.conformance.checks import RELATIVE, check, close, compare, same_spikes
from snnvtg.neurons.conformance.subject import Mismatch, Subject, leaves, weights
from snnvtg.neurons.lif import lif_reference


@check
def potentials(subject: Subject, case: Case) -> None:
    """The potentials U (T, ...) as an output, and the gradient that enters through them."""
    current = subject.randn(5, 3, 14) + 0.4
    mine, reference = (leaves(subject, case, current, subject.randn(3, 14, seed=1)) for _ in range(2))
    spikes, state, traced = subject.run(parameters=case.parameters, return_potential=True, **mine)
    expected = lif_reference(parameters=case.parameters, return_potential=True, **reference)
    if subject.backend.band == 0 and not torch.equal(traced, expected[2]):
        raise Mismatch("the potentials differ from the reference's")
    close("potentials", traced, expected[2], 1e-6)
    for outputs in ((spikes, state, traced), expected):
        w, w_state = weights(subject, outputs[0].detach(), outputs[1].detach())
        w_traced = subject.randn(*outputs[2].shape, seed=17, dtype=outputs[2].dtype)
        ((outputs[0] * w).sum() + (outputs[1] * w_state).sum() + (outputs[2] * w_traced).sum()).backward()
    for name, leaf in reference.items():
        close(f"gradient of {name} with potentials", mine[name].grad, leaf.grad, RELATIVE)


@check
def truncated_back_propagation(subject: Subject, case: Case) -> None:
    """The gradient of chunks of steps run one after the other, the state handed on without its gradient."""
    for steps in (1, 3, 100):
        truncated = replace(case, parameters=replace(case.parameters, truncate=steps))
        compare(subject, truncated, subject.randn(7, 3, 9) + 0.5, v=subject.randn(3, 9, seed=1))


@check
def a_value_per_neuron(subject: Subject, case: Case) -> None:
    """beta (L, C) and v_threshold (C,) on a state (B, L, C), with gradients."""
    current = subject.randn(4, 3, 5, 7) + 0.5
    given = {
        "current": current,
        "beta": 0.5 + 0.1 * subject.randn(5, 7, seed=2),
        "v_threshold": 1 + 0.1 * subject.randn(7, seed=3),
    }
    mine, reference = ({name: t.clone().requires_grad_() for name, t in given.items()} for _ in range(2))
    spikes, state = subject.run(parameters=case.parameters, **mine)
    expected, expected_state = lif_reference(parameters=case.parameters, **reference)
    learned = {name: t for name, t in given.items() if name != "current"}
    agree = same_spikes(subject, case, current, spikes.detach(), expected.detach(), **learned)
    if not agree.all():
        return  # a band lets some neurons differ, and sums over them with them
    for one, two in ((spikes, state), (expected, expected_state)):
        w, w_state = weights(subject, one.detach(), two.detach())
        ((one * w).sum() + (two * w_state).sum()).backward()
    for name, leaf in reference.items():
        close(f"gradient of {name}", mine[name].grad, leaf.grad, RELATIVE)
