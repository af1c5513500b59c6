"""What may be missing from an account without showing in it: neurons that were not tracked, networks without spikes."""

from collections.abc import Mapping

from torch import nn

from snnvtg.energy.neurons import NeuronKind, kind_of
from snnvtg.errors import InputError


class LedgerWarning(UserWarning):
    """The account may be of another network than its reader thinks."""


class UntrackedNeuronError(InputError):
    """A strict ledger ended with a finding."""


class Findings:
    """Collects them while a ledger is open."""

    def __init__(self):
        self.neurons: dict[str, int] = {}  # class of neuron → spikes
        self.dense: set[str] = set()  # classes of neurons that ran and make none
        self.untracked: dict[str, str] = {}  # class → name of the module
        self.comparing: dict[str, str] = {}  # name of a module whose comparison drives products → its class
        self.ran = False

    def neuron(self, cls: str, spikes: int | None) -> None:
        """A neuron ran and fired so often; None: it is of those that do not."""
        if spikes is None:
            self.dense.add(cls)
        else:
            self.neurons[cls] = self.neurons.get(cls, 0) + spikes

    def lines(self, model: nn.Module, own: Mapping[type[nn.Module], NeuronKind]) -> list[str]:
        """One line a finding."""
        if not self.ran:
            return []
        found = [
            f"neuron {where!r}: no spikes were found in what {name} returns, so products behind it count as dense; "
            f"say where they are: Ledger(model, spiking={{{name}: 0}}), or a position or key other than 0"
            for name, where in self.untracked.items()
        ]
        silent = sorted(
            {*_unused(model, own), *(cls.__name__ for cls in own)} - {*self.neurons, *self.dense, *self.untracked}
        )
        found += [f"{name}: a neuron that never ran; call the module itself, not its forward" for name in silent]
        if self.neurons and not any(self.neurons.values()):
            found.append(f"nothing spiked ({', '.join(self.neurons)} ran); check the input's scale and the thresholds")
        found += [
            f"module {where!r} ({name}) compares numbers and the result drives products; where it is a spiking neuron, "
            f"register it: Ledger(model, spiking={{{name}: 0}}) or @spiking"
            for where, name in self.comparing.items()
        ]
        return found


def _unused(model: nn.Module, own: Mapping[type[nn.Module], NeuronKind]) -> set[str]:
    """Classes of neurons in the model, without those inside other neurons."""
    found, inside = set(), set()
    for module in model.modules():
        if module not in inside and kind_of(type(module), own):
            found.add(type(module).__name__)
            inside.update(child for child in module.modules() if child is not module)
    return found
