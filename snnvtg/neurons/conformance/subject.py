"""Running a backend and the reference side by side."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.conformance.cases import Case
from snnvtg.neurons.functional import lif
from snnvtg.neurons.lif import LIFParameters, lif_reference
from snnvtg.operator_checks import Mismatch

__all__ = ["Answer", "Mismatch", "Subject", "both", "differentiate", "leaves", "weights"]


@dataclass
class Answer:
    """What one run gave: spikes (T, ...), final state (...), and gradients by the name of what they belong to."""

    spikes: Tensor
    state: Tensor
    grads: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """The backend under test, on a device; `spec` is the name other processes find it by, where it has one."""

    backend: Backend
    device: str = "cpu"
    spec: str | None = None

    def run(self, current: Tensor, parameters: LIFParameters, **options) -> tuple[Tensor, ...]:
        """The backend's (spikes, final state), and what else `options` ask for."""
        return lif(current, parameters, backend=self.backend, **options)

    def randn(self, *shape: int, seed: int = 0, dtype=torch.float32) -> Tensor:
        """Seeded normal numbers on the device, the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(self.device, dtype)


def leaves(subject: Subject, case: Case, current: Tensor, v: Tensor | None = None) -> dict[str, Tensor]:
    """Fresh tensors that take gradients: the current, the initial state, and what the neuron learns."""
    p, dtype = case.parameters, torch.float64 if current.dtype == torch.float64 else torch.float32
    inputs = {"current": current} if v is None else {"current": current, "v": v}
    channels = current.shape[-1:] if case.per_channel else ()
    for name, learned, value in (
        ("beta", p.learn_beta, p.beta),
        ("v_threshold", p.learn_threshold, p.v_threshold),
    ):
        if learned:
            inputs[name] = value + 0.05 * subject.randn(*channels, seed=7, dtype=dtype)
    return {name: t.detach().clone().requires_grad_() for name, t in inputs.items()}


def weights(subject: Subject, spikes: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The fixed random weights of the scalar every gradient check differentiates."""
    return (
        subject.randn(*spikes.shape, seed=11, dtype=spikes.dtype),
        subject.randn(*state.shape, seed=13, dtype=state.dtype),
    )


def differentiate(subject: Subject, inputs: dict[str, Tensor], spikes: Tensor, state: Tensor) -> Answer:
    """Backpropagate sum(w spikes) + sum(w' state) to `inputs`."""
    w, w_state = weights(subject, spikes.detach(), state.detach())
    ((spikes * w).sum() + (state * w_state).sum()).backward()
    return Answer(spikes.detach(), state.detach(), {name: t.grad for name, t in inputs.items()})


def both(subject: Subject, case: Case, current: Tensor, v: Tensor | None = None) -> tuple[Answer, Answer]:
    """(the backend's answer, the reference's answer), with gradients."""
    mine, reference = leaves(subject, case, current, v), leaves(subject, case, current, v)
    spikes, state = subject.run(parameters=case.parameters, **mine)
    answer = differentiate(subject, mine, spikes, state)
    return answer, differentiate(subject, reference, *lif_reference(parameters=case.parameters, **reference))
