"""Spikes of chosen LIF layers together with the membrane potentials that they come from."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.neurons import LIF


@dataclass(frozen=True)
class Trace:
    """One call of a layer: spikes and potentials U (T, ...) after the input and before the reset, on the CPU.

    `v_threshold` (...) is where a neuron fires, a number or one per neuron; an adaptive threshold starts there.
    """

    spikes: Tensor
    potential: Tensor
    v_threshold: Tensor


class Membranes(dict[str, list[Trace]]):
    """Keeps a Trace per forward pass of the LIF layers named, within the block; for a few queries.

    A layer is run a second time for its potentials, so that what the model computes stays as it is.
    """

    def __init__(self, model: nn.Module, layers: tuple[str, ...]):
        super().__init__()
        known = dict(model.named_modules())
        for name in layers:
            if not isinstance(known.get(name), LIF):
                raise InputError(f"layers: {name!r} is no LIF layer of {type(model).__name__}")
        self._layers = {name: known[name] for name in layers}
        self._hooks = ExitStack()

    def __enter__(self) -> "Membranes":
        for name, layer in self._layers.items():
            self._hooks.callback(layer.register_forward_hook(self._hook(name), with_kwargs=True).remove)
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.close()

    def _hook(self, name: str):
        @torch.no_grad()
        def keep(layer: LIF, inputs: tuple, options: dict[str, Any], _: object) -> None:
            asked = {**options, "return_potential": True, "return_state": False, "reduction": "none"}
            spikes, potential = layer.forward(*inputs, **asked)
            threshold = layer.parameters_.v_threshold if layer.v_threshold is None else layer.v_threshold.detach()
            trace = Trace(spikes.float().cpu(), potential.float().cpu(), torch.as_tensor(threshold).float().cpu())
            self.setdefault(name, []).append(trace)

        return keep
