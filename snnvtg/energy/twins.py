"""Who a spiking network competes with: its dense twin and its quantised twin, counted by the same ledger.

The dense twin has ReLU in the place of every neuron and runs once what a network that repeats its input runs T times
(`repeats`). A module that is more than its neurons brings its own twin, in one of two ways:

    class MyAttention(nn.Module):
        def dense_twin(self) -> nn.Module: ...          # called as the module is

    twins.register(MyAttention, lambda module: ...)     # for a class that cannot be changed

The quantised twin is the dense twin at the precision a T-step rate code has: T + 1 levels, b = ⌈log2(T + 1)⌉ bits, in
the weights and activations of every product that spikes, their sums or means drive in the spiking network, and in all
of a module that brings its own twin. A product of b-bit operands costs no more than b accumulates, or a MAC where that
is less (each product on its own), and its weights, input and output take b bits of memory. The rest, softmax included,
stays.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from snnvtg.energy.account import Account
from snnvtg.energy.costs import CostModel, find
from snnvtg.energy.costs.model import Bits
from snnvtg.energy.neurons import NeuronKind, as_kinds, kind_of
from snnvtg.energy.rate_neurons import in_place_of, quantised_rates
from snnvtg.errors import InputError

MakeTwin = Callable[[nn.Module], nn.Module]
Kinds = Mapping[type[nn.Module], NeuronKind]
Spiking = Mapping[type[nn.Module], int | str | NeuronKind]
REGISTERED: dict[type[nn.Module], MakeTwin] = {}


def register(kind: type[nn.Module], make: MakeTwin) -> None:
    """Let `make(module)` be the dense twin of every module of class `kind` or of a subclass."""
    REGISTERED[kind] = make


def own_twin(module: nn.Module) -> MakeTwin | None:
    """How this module brings its own twin, if it does: registered, or a method `dense_twin`."""
    for kind in type(module).__mro__:
        if kind in REGISTERED:
            return REGISTERED[kind]
    method = getattr(type(module), "dense_twin", None)
    return method if callable(method) else None


def dense_twin(model: nn.Module, spiking: Spiking | None = None) -> nn.Module:
    """A copy of `model` with the same weights and no neuron; InputError where the model cannot be copied.

    `spiking` names further classes of neurons as `Ledger` takes them.
    """
    try:
        twin = copy.deepcopy(model)
    except RuntimeError as error:  # torch copies no tensor that a graph still hangs on
        raise InputError(
            f"{type(model).__name__}: expected a network that can be copied ({error}); reset its neurons' states, or "
            "run it under torch.no_grad()"
        ) from None
    return _replaced(twin, as_kinds(spiking), {})


def _replaced(module: nn.Module, kinds: Kinds, done: dict[int, nn.Module]) -> nn.Module:
    if id(module) not in done:
        done[id(module)] = _twin_of(module, kinds)
        if done[id(module)] is module:
            for name, child in list(module.named_children()):
                setattr(module, name, _replaced(child, kinds, done))
    return done[id(module)]


def _twin_of(module: nn.Module, kinds: Kinds) -> nn.Module:
    make = own_twin(module)
    if make is not None:
        return make(module)
    return in_place_of(module, kind_of(type(module), kinds))


def bits(num_timesteps: int) -> int:
    """Bits that tell the T + 1 levels of a T-step rate code apart."""
    return math.ceil(math.log2(num_timesteps + 1))


@dataclass(frozen=True)
class QuantisedParts:
    """Modules whose products the quantised twin has at b bits: those that spikes drive, or sums and means of spikes
    (`driven`), and all below `own`.
    """

    driven: frozenset[str]
    own: tuple[str, ...] = ()

    def __contains__(self, module: str) -> bool:
        return module in self.driven or any(module == name or module.startswith(f"{name}.") for name in self.own)

    def width(self, num_timesteps: int) -> Bits:
        """The bits of a product's operands as cost models take them."""
        return lambda record: bits(num_timesteps) if record.module in self else None


def quantised_parts(model: nn.Module, spiking: Account) -> QuantisedParts:
    """The parts of `model`, whose counts are `spiking`, that its quantised twin has at b bits."""
    products = [record for record in spiking.phase("forward") if {"ac", "mac"} & set(record.counts)]
    driven = frozenset(record.module for record in products if "ac" in record.counts or record.dense_since)
    return QuantisedParts(driven, tuple(name for name, module in model.named_modules() if own_twin(module) is not None))


def quantised_twin_pj(twin: Account, parts: QuantisedParts, num_timesteps: int, model: str | CostModel) -> float:
    """Energy in pJ of the dense twin with these parts at ⌈log2(T + 1)⌉ bits."""
    return find(model).energy_pj(twin, parts.width(num_timesteps))


def quantised_twin(twin: nn.Module, parts: QuantisedParts, num_timesteps: int) -> nn.Module:
    """A copy of a dense twin that computes as the quantised one does: for its accuracy, not for its counts.

    Weights of these parts are rounded to b bits per output channel, rates to T + 1 levels, both with straight-through
    gradients, so that it can be trained.
    """
    made = copy.deepcopy(twin)
    for name, module in list(made.named_modules()):
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd) and name in parts:
            register_parametrization(module, "weight", Rounded(bits(num_timesteps)))
    quantised_rates(made, num_timesteps + 1)
    return made


class Rounded(nn.Module):
    """Weights at b bits, sign included: equal steps of the largest of each output channel."""

    def __init__(self, b: int):
        super().__init__()
        self.half = max(2 ** (b - 1) - 1, 1)

    def forward(self, weight: Tensor) -> Tensor:
        """Any shape, output channels first."""
        largest = weight.detach().abs().flatten(1).amax(1).view(-1, *[1] * (weight.dim() - 1))
        step = largest.clamp_min(1e-12) / self.half
        return weight + ((weight / step).round() * step - weight).detach()
