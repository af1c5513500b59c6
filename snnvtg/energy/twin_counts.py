"""A model and its dense twin counted on the same queries, with the model's firing rates on the way."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from snnvtg.energy.account import Account
from snnvtg.energy.ledger import Ledger
from snnvtg.energy.neurons_met import SpikeModules
from snnvtg.energy.per_query import QueryAccounts, one_by_one
from snnvtg.energy.repeats import find_repeats, run_once
from snnvtg.energy.twins import QuantisedParts, dense_twin, quantised_parts, quantised_twin
from snnvtg.instrumentation import FiringRates


@dataclass(frozen=True)
class TwinCounts:
    """Accounts over the same queries; `parts` are the modules that the quantised twin has at b bits (`twins`)."""

    spiking: QueryAccounts
    dense: QueryAccounts
    rates: FiringRates
    parts: QuantisedParts
    num_timesteps: int

    @property
    def queries(self) -> int:
        """Number of queries counted."""
        return len(self.spiking.queries)


@torch.no_grad()
def count_with_twin(
    model: nn.Module, inputs: Iterable[Any], *, spike_modules: SpikeModules | None = None, batch_size: int = 1
) -> TwinCounts:
    """Count `model` and its dense twin on every query of `inputs`, in evaluation mode, a Batch taken apart.

    `batch_size`: samples that every other input holds. `spike_modules` as of `Ledger`.
    """
    queries = list(one_by_one(inputs))
    model.eval()
    options = {"spike_modules": spike_modules}
    with FiringRates(model) as rates:
        spiking = Ledger.per_query(model, queries, forward=_calling(model), **options)
    steps = steps_of(spiking, len(queries))
    twin = dense_twin(model, spike_modules).eval()
    found = {id(query): find_repeats(twin, lambda q=query: _calling(twin)(q), steps) for query in queries}

    def once(query: Any) -> None:
        with run_once(twin, found[id(query)]):
            _calling(twin)(query)

    dense = Ledger.per_query(twin, queries, forward=once)
    spiking.batch_size = dense.batch_size = batch_size
    return TwinCounts(spiking, dense, rates, quantised_parts(model, spiking), steps)


def _calling(model: nn.Module) -> Callable[[Any], Any]:
    """`model` on one entry: a tuple is its arguments, a dictionary its keyword arguments, anything else the one."""

    def call(entry: Any) -> Any:
        if isinstance(entry, tuple):
            return model(*entry)
        return model(**entry) if isinstance(entry, dict) else model(entry)

    return call


def steps_of(account: Account, queries: int) -> int:
    """T: the steps that a query takes, by what most of its neurons do; 1 without neurons."""
    taken = Counter(
        record.num_timesteps * record.calls // max(queries, 1)
        for record in account.phase("forward")
        if record.is_neuron
    )
    return max(taken.most_common(1)[0][0], 1) if taken else 1


def accuracies(
    model: nn.Module,
    counts: TwinCounts,
    evaluate: Callable[[nn.Module], float],
    *,
    train: Callable[[nn.Module], nn.Module] | None = None,
    spike_modules: SpikeModules | None = None,
) -> dict[str, float]:
    """`evaluate` of the network and of both twins, so that energy stands beside accuracy.

    The twins have the network's weights as they are (converted, not trained) unless `train` is given, which takes the
    dense twin and returns it trained; the quantised twin is rounded from that one.
    """
    twin = dense_twin(model, spike_modules).eval()
    if train is not None:
        twin = train(twin).eval()
    narrow = quantised_twin(twin, counts.parts, counts.num_timesteps).eval()
    return {name: evaluate(m) for name, m in (("spiking", model), ("dense twin", twin), ("quantised twin", narrow))}
