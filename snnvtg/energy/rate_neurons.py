"""What stands in a neuron's place in a dense twin: ReLU, called as the neuron is and returning what it returns."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map

from snnvtg.energy.neurons import NeuronKind
from snnvtg.neurons import LIF, SpikeEncoder

KEEP_THEIR_CELL = frozenset({"SLSTM", "SConv2dLSTM"})
"""neurons that are an LSTM with a threshold behind it (snnTorch): their twin is the LSTM"""


class Rate(nn.Module):
    """ReLU; with `levels`, rounded to that many equal steps of the largest value, as a quantised network has it."""

    levels: int | None = None

    def forward(self, current: Tensor) -> Tensor:
        """Any shape."""
        activation = torch.relu(current)
        if self.levels is None:
            return activation
        step = activation.detach().amax().clamp_min(torch.finfo(activation.dtype).tiny) / (self.levels - 1)
        rounded = (activation / step).round() * step
        return activation + (rounded - activation).detach()


class RateLIF(nn.Module):
    """In the place of our LIF layer: the rate, the same at every step that the layer would repeat its current."""

    def __init__(self, neuron: LIF):
        super().__init__()
        self.rate = Rate()

    def forward(
        self,
        current: Tensor,
        *,
        num_timesteps: int | None = None,
        v: Tensor | None = None,
        return_state: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
        reduction: str = "none",
    ) -> Tensor | tuple[Tensor, Tensor]:
        """As LIF.forward; the final state is zeros."""
        rate = self.rate(current if scale is None else current * scale + shift)
        if reduction == "mean":
            rate = rate if num_timesteps is not None else rate.mean(0)
        elif num_timesteps is not None:
            rate = rate.expand(num_timesteps, *rate.shape)
        return (rate, torch.zeros_like(rate[0] if reduction == "none" else rate)) if return_state else rate


class _StandIn(nn.Module):
    """In the place of a neuron, whose attributes and methods it has where it lacks its own."""

    def __init__(self, neuron: nn.Module):
        super().__init__()
        self.__dict__["neuron"] = neuron  # not a submodule: a ledger would find a neuron

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if "neuron" not in self.__dict__:
                raise
            return getattr(self.__dict__["neuron"], name)


class RateNeuron(_StandIn):
    """In the place of another library's neuron: ReLU of its current, plus its recurrent synapses where it has them.

    Whatever else the neuron returns (potentials, traces) comes from a copy of it, run aside and not counted; attributes
    and methods that are not found here (`init_leaky`, `reset_mem`) are the neuron's.
    """

    def __init__(self, neuron: nn.Module, kind: NeuronKind):
        super().__init__(neuron)
        self.rate, self.kind = Rate(), kind
        self.recurrent = getattr(neuron, "recurrent", None)
        self.last: Tensor | None = None

    def forward(self, current: Tensor, *state: Any, **options: Any) -> Any:
        """As the neuron's."""
        with torch.no_grad(), _disable_current_modes():
            # not called as a module: hooks would take it for a neuron of the twin
            returned = copy.deepcopy(self.neuron).forward(current, *state, **options)
            spikes = self.kind.spikes_of(self.neuron, returned)
        if self.recurrent is not None:
            before = state[0] if state and isinstance(state[0], Tensor) else self.last
            if before is None or before.shape != current.shape:  # before the first step
                before = torch.zeros_like(current)
            current = current + self.recurrent(before)
        self.last = self.rate(current)
        return tree_map(lambda leaf: self.last if leaf is spikes else leaf, returned)


class Cell(_StandIn):
    """In the place of a neuron that is a recurrent cell with a threshold: the cell, its operations counted as dense."""

    def __init__(self, neuron: nn.Module):
        super().__init__(neuron)
        for name, parameter in neuron.named_parameters():
            self.register_parameter(name.replace(".", "_"), parameter)

    def forward(self, *args: Any, **options: Any) -> Any:
        """As the neuron's."""
        return self.neuron.forward(*args, **options)


class RateEncoder(nn.Module):
    """In the place of an encoder: what it would encode, at every step that it would make of it."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.__dict__["encoder"] = encoder

    def forward(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        """As the encoder's."""
        with torch.no_grad(), _disable_current_modes():
            shape = copy.deepcopy(self.encoder).forward(x, *args, **options).shape
        return x.expand(shape)


def in_place_of(module: nn.Module, kind: NeuronKind | None) -> nn.Module:
    """The dense layer for a neuron or an encoder; any other module, and a neuron that makes no spikes, is its own."""
    if isinstance(module, SpikeEncoder):
        return RateEncoder(module)
    if isinstance(module, LIF):
        return RateLIF(module)
    if kind is None or not kind.makes_spikes(module):
        return module
    if kind.encoder:
        return RateEncoder(module)
    if KEEP_THEIR_CELL & {base.__name__ for base in type(module).__mro__}:
        return Cell(module)
    return RateNeuron(module, kind)


def forget_states(twin: nn.Module) -> None:
    """Start the recurrent neurons of a twin anew, as a network resets its neurons before an input."""
    for module in twin.modules():
        if isinstance(module, RateNeuron):
            module.last = None


def quantised_rates(twin: nn.Module, levels: int) -> None:
    """Let every rate of `twin` have `levels` levels, in place."""
    for module in twin.modules():
        if isinstance(module, Rate):
            module.levels = levels
