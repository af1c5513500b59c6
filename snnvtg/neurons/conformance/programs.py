"""LIF layers as trials of snnvtg.operator_checks: what other people's programs do to a backend."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.functional import lif
from snnvtg.neurons.lif import LIFParameters
from snnvtg.operator_checks import Trial, leaves

STEPS = 4
KINDS = {
    "default": LIFParameters(),
    "full reset gradient": LIFParameters(beta=0.75, detach_reset=False),
    "both learned per channel, soft reset": LIFParameters(
        beta=0.6, reset="soft", detach_reset=False, learn_beta=True, learn_threshold=True
    ),
    "repeated current, folded norm, mean": LIFParameters(beta=0.7),
}
REPEATED = "repeated current, folded norm, mean"


@dataclass(frozen=True)
class Layer:
    """A LIF layer of one kind as a function of tensors; picklable where its backend is."""

    kind: str
    backend: str | Backend

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        if self.kind == REPEATED:
            current, scale, shift = tensors
            options = {"num_timesteps": STEPS, "scale": scale, "shift": shift, "reduction": "mean"}
        else:
            current, v, *learned = tensors
            options = {"v": v, **dict(zip(("beta", "v_threshold"), learned, strict=False))}
        return lif(current, KINDS[self.kind], backend=self.backend, **options)


@dataclass(frozen=True)
class Inputs:
    """Inputs of `Layer`: batch and channels grow with the size."""

    kind: str
    device: str = "cpu"

    def __call__(self, size: int, seed: int) -> tuple[Tensor, ...]:
        generator, channels = torch.Generator().manual_seed(seed), 2 * size + 1

        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        if self.kind == REPEATED:
            made = [randn(size, channels) + 0.6, 1 + 0.1 * randn(channels), 0.1 * randn(channels)]
        else:
            made = [randn(STEPS, size, channels) + 0.5, 0.3 * randn(size, channels)]
            if KINDS[self.kind].learn_beta:
                made += [0.6 + 0.05 * randn(channels), 1 + 0.05 * randn(channels)]
        return tuple(t.to(self.device) for t in made)


def _operators(backend: Backend, kind: str, device: str) -> list[tuple[Callable, tuple]]:
    """The registered operators behind a layer of this kind, with arguments that take gradients."""
    seen = replace(backend, run=lambda neuron, inputs: calls.extend(backend.examples(neuron, inputs)))
    calls: list[tuple[Callable, tuple]] = []
    Layer(kind, seen)(*leaves(Inputs(kind, device)(3, 0)))
    return calls


def trials(backend: Backend, device: str = "cpu", spec: str | None = None) -> list[Trial]:
    """Every kind of LIF layer run by `backend`; `spec` is the name other processes find it by."""
    return [
        Trial(
            name=kind,
            run=Layer(kind, spec or backend),
            reference=Layer(kind, "reference"),
            inputs=Inputs(kind, device),
            large=600 if kind == REPEATED else 300,
            operators=partial(_operators, backend, kind, device),
            exact=backend.band == 0,
        )
        for kind in KINDS
    ]
