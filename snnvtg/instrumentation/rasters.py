"""Spike trains of chosen queries, and what is read off them."""

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from snnvtg.instrumentation.hooks import listen
from snnvtg.neurons import LIFParameters, lif_reference


class Rasters(dict[str, list[Tensor]]):
    """Keeps the spikes of LIF layers within the block: {layer name: one tensor (T, ...) per forward pass, on the CPU}.

    For a few queries: unlike FiringRates it keeps everything. `layers` restricts it to layers of these names.

    >>> from snnvtg.neurons import LIF
    >>> layers = nn.Sequential(LIF())
    >>> with Rasters(layers) as rasters:
    ...     spikes = layers(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]))  # (T, batch, channels)
    >>> rasters["0"][0].tolist()
    [[[1.0, 0.0]], [[1.0, 1.0]]]
    """

    def __init__(self, model: nn.Module, layers: tuple[str, ...] | None = None):
        super().__init__()
        self.model, self.chosen = model, layers
        self._hooks: ExitStack | None = None

    def __enter__(self) -> "Rasters":
        self._hooks = listen(self.model, self._keep, self.chosen)
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.close()

    def _keep(self, name: str, spikes: Tensor, valid_mask: Tensor | None, kwargs: dict) -> None:
        self.setdefault(name, []).append(spikes.to("cpu", copy=True))


def inter_spike_intervals(spikes: Tensor) -> Tensor:
    """Steps between one spike of a neuron and its next, all neurons of spikes (T, ...) in one 1-D int64 tensor."""
    trains = spikes.reshape(len(spikes), -1).t() != 0
    neuron, step = trains.nonzero(as_tuple=True)
    follows = neuron[1:] == neuron[:-1]
    return (step[1:] - step[:-1])[follows]


@torch.no_grad()
def membrane_updates(current: Tensor, parameters: LIFParameters) -> int:
    """Neuron-steps whose potential U (Eq. 4, before the reset) changed, for current (T, ...), as NeuroBench counts.

    Its rule: every neuron at the first step, afterwards those whose potential differs from the step before. The
    ledger's `neuron_updates` counts every neuron and step, since every one of them is computed.
    """
    potential = current[0]
    changed = potential.numel()
    _, v = lif_reference(current[:1], parameters)
    for x in current[1:].unbind(0):
        changed += int((v + x != potential).sum())
        potential = v + x
        _, v = lif_reference(x.unsqueeze(0), parameters, v)
    return changed
