"""LIF layers as operations of snnvtg.operator_checks: what other people's programs do to a backend."""

from dataclasses import dataclass

import torch
from torch import Tensor

from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.lif import LIFParameters
from snnvtg.neurons.module import lif
from snnvtg.operator_checks import Operation

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


def operations(backend: Backend, device: str = "cpu", spec: str | None = None) -> list[Operation]:
    """Every kind of LIF layer run by `backend`; `spec` is the name other processes find it by."""
    return [
        Operation(
            name=kind,
            run=Layer(kind, spec or backend),
            reference=Layer(kind, "reference"),
            inputs=Inputs(kind, device),
            large=600 if kind == REPEATED else 300,
            operators=lambda kind=kind: [
                call for example in backend.examples for call in example(KINDS[kind], Inputs(kind, device)(3, 0))
            ],
            exact=backend.band == 0,
        )
        for kind in KINDS
    ]
