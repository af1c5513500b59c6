"""What an energy report is of: a network, the inputs it is counted on, and the T it can be read out at."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from snnvtg import plugins
from snnvtg.energy.twin_counts import TwinCounts, calling, count_with_twin
from snnvtg.energy.twins import Spiking
from snnvtg.errors import InputError


@dataclass(frozen=True)
class Subject:
    """`inputs`: one query each, what `network` is called with (a tuple is several arguments); `where` names them.

    `batch_size`: samples in each of them. `spiking`: classes of neurons of its own, as `Ledger` takes them.
    """

    name: str
    network: nn.Module
    inputs: Sequence[Any]
    where: str
    batch_size: int = 1
    spiking: Spiking | None = None

    @property
    def run(self) -> Callable[[Any], Any]:
        """Calls the network on one of the inputs."""
        return calling(self.network)

    def count(self) -> TwinCounts:
        """The network and its dense twin on all inputs."""
        return count_with_twin(self.network, self.inputs, batch_size=self.batch_size, spiking=self.spiking)

    def count_at(self, steps: Sequence[int]) -> Iterator[tuple[int, TwinCounts]]:
        """Counts at every T that the network can be read out at: `steps` and its own, or its own alone."""
        own = own_timesteps(self.network)
        if own is None:
            found = self.count()
            yield found.num_timesteps, found
            return
        for step in sorted({*steps, own}):
            with read_at(self.network, step):
                yield step, self.count()


def own_timesteps(network: nn.Module) -> int | None:
    """T of a network that can be read out at another T, by its attribute `num_timesteps`; None for any other."""
    steps = getattr(network, "num_timesteps", None)
    return steps if isinstance(steps, int) else None


@contextmanager
def read_at(network: nn.Module, num_timesteps: int) -> Iterator[None]:
    """Within the block the network runs for another T."""
    own = network.num_timesteps
    network.num_timesteps = num_timesteps
    try:
        yield
    finally:
        network.num_timesteps = own


def subject_from(place: str, queries: int = 0, batch_size: int = 1, spiking: Sequence[str] = ()) -> Subject:
    """The subject that a user's function gives: `FILE.py:FUNCTION` or `module:FUNCTION`, () -> (network, inputs).

    The first `queries` of the inputs; 0: all. `spiking` as of `neurons_named`. InputError where the function gives
    something else.
    """
    function = plugins.load_object(place)
    given = function() if callable(function) else function
    if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], nn.Module)):
        raise InputError(f"{place}: expected a function that returns (network, inputs), a module and a list of inputs")
    network, inputs = given[0], list(given[1])
    if not inputs:
        raise InputError(f"{place}: expected at least one input to count the network on, got none")
    inputs = inputs[:queries] if queries else inputs
    name, where, kinds = type(network).__name__, f"the inputs of {place}", neurons_named(network, spiking)
    return Subject(name, network.eval(), inputs, where, batch_size, kinds)


def neurons_named(network: nn.Module, names: Sequence[str]) -> dict[type[nn.Module], int | str]:
    """Classes of the network's modules from `CLASS` or `CLASS=OUTPUT`, the position or key of what holds its spikes."""
    known = {type(module).__name__: type(module) for module in network.modules()}
    found: dict[type[nn.Module], int | str] = {}
    for name in names:
        title, _, output = name.partition("=")
        if title not in known:
            raise InputError(f"--spiking {name}: expected the class of one of its modules: {', '.join(sorted(known))}")
        found[known[title]] = int(output or 0) if (output or "0").lstrip("-").isdecimal() else output
    return found
