"""Firing rates counted while they stream by: memory does not grow with the number of batches."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.instrumentation.hooks import listen

LAYOUTS = ("TBMC", "TBC", "T...C")


@dataclass
class LayerRates:
    """Counts of one LIF layer; a neuron is a channel, seen at every valid position.

    `spikes` (T, C) and `samples`, the (sample, position) pairs counted: rate = spikes / samples. Where the layer gave
    its mean over time only, `spikes` is (1, C), the sum over `num_timesteps` steps.
    """

    spikes: Tensor
    num_timesteps: int
    samples: int = 0

    @property
    def firing_rate(self) -> float:
        """Spikes per neuron and step."""
        return float(self.spikes.sum()) / max(self.samples * self.num_timesteps * self.spikes.shape[1], 1)

    @property
    def per_neuron(self) -> Tensor:
        """(C,) spikes per step of each channel."""
        return self.spikes.sum(0) / max(self.samples * self.num_timesteps, 1)

    @property
    def per_timestep(self) -> Tensor:
        """(T,) spikes per neuron at each step."""
        if len(self.spikes) != self.num_timesteps:
            raise InputError('per_timestep: expected spikes, got their mean over time; run LIF with reduction="none"')
        return self.spikes.sum(1) / max(self.samples * self.spikes.shape[1], 1)

    def per_head(self, num_heads: int) -> Tensor:
        """(num_heads,) spikes per neuron and step where the channels are split evenly among attention heads."""
        if len(self.per_neuron) % num_heads:
            raise InputError(f"num_heads: expected a divisor of {len(self.per_neuron)} channels, got {num_heads}")
        return self.per_neuron.view(num_heads, -1).mean(1)

    @property
    def dead(self) -> Tensor:
        """(C,) bool: channels that never fired."""
        return self.spikes.sum(0) == 0

    @property
    def saturated(self) -> Tensor:
        """(C,) bool: channels that fired at every step of every valid position."""
        return (self.spikes.sum(0) == self.samples * self.num_timesteps) & (self.samples > 0)


class FiringRates(Mapping[str, float]):
    """Counts the spikes of every LIF layer of `model` within the block: {layer name: spikes per neuron and step}.

    `layout` says what the axes of a layer's output are: T simulation steps, B samples, M positions (clips and slots),
    C channels; "T...C" takes any axes between. Padded positions are left out by the `valid_mask` (B, M) that the
    enclosing module was given ("TBMC" only).

    >>> from snnvtg.neurons import LIF
    >>> layers = nn.Sequential(LIF())
    >>> with FiringRates(layers, layout="T...C") as rates:
    ...     spikes = layers(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]))  # (T, batch, channels)
    >>> rates.firing_rate, rates.layers["0"].per_neuron.tolist()
    (0.75, [1.0, 0.5])
    """

    def __init__(self, model: nn.Module, layout: str = "TBMC"):
        if layout not in LAYOUTS:
            raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
        self.model, self.layout = model, layout
        self.layers: dict[str, LayerRates] = {}
        self._hooks: ExitStack | None = None

    def __enter__(self) -> "FiringRates":
        self._hooks = listen(self.model, self._count)
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.close()

    def __getitem__(self, layer: str) -> float:
        return self.layers[layer].firing_rate

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def firing_rate(self) -> float:
        """Spikes per neuron and step over all layers."""
        opportunities = sum(x.samples * x.num_timesteps * x.spikes.shape[1] for x in self.layers.values())
        return sum(float(x.spikes.sum()) for x in self.layers.values()) / max(opportunities, 1)

    def reset(self) -> None:
        """Start again from zero, e.g. before reading the model out at another T."""
        self.layers.clear()

    def table(self) -> pd.DataFrame:
        """One row per layer: firing rate, share of dead and of saturated neurons."""
        rows = [
            {
                "layer": name,
                "firing_rate": layer.firing_rate,
                "neurons": layer.spikes.shape[1],
                "dead": float(layer.dead.double().mean()),
                "saturated": float(layer.saturated.double().mean()),
            }
            for name, layer in self.layers.items()
        ]
        return pd.DataFrame(rows, columns=["layer", "firing_rate", "neurons", "dead", "saturated"])

    @torch.no_grad()
    def _count(self, name: str, out: Tensor, valid_mask: Tensor | None, kwargs: dict) -> None:
        averaged = kwargs.get("reduction", "none") == "mean"
        steps = kwargs["num_timesteps"] if averaged and kwargs.get("num_timesteps") else out.shape[0]
        spikes = (out * steps).round().unsqueeze(0) if averaged else out
        self._check(name, spikes)
        flat = spikes.reshape(len(spikes), -1, spikes.shape[-1])
        if valid_mask is not None and self.layout == "TBMC":
            # a product with the mask's weights needs no masked copy; exact, counts stay below 2**24 per call
            counted = (valid_mask.reshape(1, 1, -1).to(flat.dtype) @ flat).squeeze(1)
            samples = int(valid_mask.sum())
        else:
            counted, samples = flat.sum(1), flat.shape[1]
        layer = self.layers.setdefault(name, LayerRates(torch.zeros_like(counted, dtype=torch.int64), steps))
        if layer.spikes.shape != counted.shape or layer.num_timesteps != steps:
            raise InputError(
                f"layer {name}: expected {layer.num_timesteps} steps of {layer.spikes.shape[1]} channels as before, "
                f"got {steps} of {counted.shape[1]}; call reset() before another T"
            )
        layer.spikes += counted.round().to(torch.int64)
        layer.samples += samples

    def _check(self, name: str, spikes: Tensor) -> None:
        if self.layout != "T...C" and spikes.dim() != len(self.layout):
            raise InputError(
                f"layer {name}: expected spikes ({', '.join(self.layout)}), got shape {tuple(spikes.shape)}; "
                "give the layout that fits"
            )
