"""What every comparison with another counter needs: rows of figures, and what modules meet on the way."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnvtg.energy import Ledger
from snnvtg.models.spikemba import SpikeMbaConfig
from tests.energy.networks import CURRENT, SpikesThroughConvolution

TINY = SpikeMbaConfig(
    width=16, num_blocks=2, num_timesteps=3, num_heads=2, num_slots=2, state_size=4, dropout=0, input_dropout=0
)
MODULES = (nn.Linear, nn.Conv1d, nn.Conv2d)
"""what NeuroBench hooks"""


@dataclass(frozen=True)
class Row:
    """One figure: `tool` counted `figure` where the ledger has `ledger`; `terms` are (reason, operations) apart."""

    network: str
    quantity: str
    tool: str
    figure: float
    ledger: float
    terms: tuple[tuple[str, float], ...] = ()

    @property
    def unexplained(self) -> float:
        """What no term accounts for; 0 or the table is wrong."""
        return self.figure - self.ledger - sum(count for _, count in self.terms)


def counted(model: nn.Module, *inputs: object, spikes: Tensor | None = None, **options: bool) -> Ledger:
    """The ledger of `model(*inputs)`; `spikes` is an input declared to be spikes."""
    with torch.no_grad(), Ledger(model, strict=True, **options) as ledger:
        if spikes is not None:
            ledger.mark_spikes(spikes)
        model(*inputs)
    return ledger


def convolution_spikes() -> tuple[nn.Conv2d, Tensor]:
    torch.manual_seed(0)
    model = SpikesThroughConvolution()
    with torch.no_grad():
        return model.conv, model.lif(CURRENT)[0]


class Called(nn.Module):
    """`model` with its arguments fixed, as tools want it that hand over one tensor."""

    def __init__(self, model: nn.Module, *args: object):
        super().__init__()
        self.model, self.args = model, args

    def forward(self, _: Tensor) -> object:
        return self.model(*self.args)


def over_modules(called: nn.Module, of: Callable[[nn.Module, Tensor], int]) -> int:
    """The sum of `of(module, input)` over the calls of Linear and Conv modules."""
    found, hooks = [], []
    for module in called.modules():
        if isinstance(module, MODULES):
            hooks.append(module.register_forward_pre_hook(lambda m, args: found.append(of(m, args[0]))))
    with torch.no_grad():
        called(torch.zeros(1))
    for handle in hooks:
        handle.remove()
    return sum(found)


def products_on_padding(conv: nn.Module, x: Tensor) -> int:
    """Products of a convolution that meet its zero padding."""
    function = {1: nn.functional.conv1d, 2: nn.functional.conv2d}[x.dim() - 2]
    inside = function(torch.ones_like(x), torch.ones_like(conv.weight), None, conv.stride, conv.padding, 1, conv.groups)
    return inside.numel() * conv.weight[0].numel() - int(inside.sum())
