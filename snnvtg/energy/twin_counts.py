"""A model and its dense twin counted on the same queries, with the model's firing rates on the way."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from snnvtg.energy.account import Account
from snnvtg.energy.ledger import Ledger
from snnvtg.energy.neurons import as_kinds, kind_of
from snnvtg.energy.per_query import QueryAccounts, one_by_one
from snnvtg.energy.repeats import find_repeats, run_once
from snnvtg.energy.twins import QuantisedParts, Spiking, dense_twin, own_twin, quantised_parts, quantised_twin
from snnvtg.instrumentation import FiringRates
from snnvtg.neurons import LIF


@dataclass(frozen=True)
class TwinCounts:
    """Accounts over the same queries; `parts` are the modules that the quantised twin has at b bits (`twins`).

    `recomputed`: modules of the spiking network that compute the same at every step of the first query, its input
    repeated, and which its dense twin runs once.
    """

    spiking: QueryAccounts
    dense: QueryAccounts
    rates: FiringRates
    parts: QuantisedParts
    num_timesteps: int
    recomputed: frozenset[str] = frozenset()

    @property
    def queries(self) -> int:
        """Number of queries counted."""
        return len(self.spiking.queries)


@torch.no_grad()
def count_with_twin(
    model: nn.Module, inputs: Iterable[Any], *, spiking: Spiking | None = None, batch_size: int = 1
) -> TwinCounts:
    """Count `model` and its dense twin on every query of `inputs`, in evaluation mode, a Batch taken apart.

    `batch_size`: samples that every other input holds. `spiking` as of `Ledger`.
    """
    queries = list(one_by_one(inputs))
    model.eval()
    with FiringRates(model, layout="T...C") as rates:
        counted = Ledger.per_query(model, queries, forward=calling(model), spiking=spiking)
    steps = steps_of(counted, len(queries))
    twin = dense_twin(model, spiking).eval()
    run = calling(twin)
    repeats = iter([find_repeats(twin, lambda q=query: run(q), steps) for query in queries])

    def once(query: Any) -> None:
        with run_once(twin, next(repeats)):
            run(query)

    dense = Ledger.per_query(twin, queries, forward=once)
    counted.batch_size = dense.batch_size = batch_size
    parts = quantised_parts(model, counted)
    same = recomputed(model, queries[0], steps, spiking) - parts.driven if queries else frozenset()
    return TwinCounts(counted, dense, rates, parts, steps, same)


def recomputed(model: nn.Module, query: Any, num_timesteps: int, spiking: Spiking | None = None) -> frozenset[str]:
    """Modules without neurons that `model` has compute the same at every step of this query."""
    kinds = as_kinds(spiking)
    neurons = {name for name, m in model.named_modules() if isinstance(m, LIF) or kind_of(type(m), kinds) is not None}
    own = {name for name, module in model.named_modules() if own_twin(module) is not None}
    found = find_repeats(model, lambda: calling(model)(query), num_timesteps, without=neurons | own)
    return frozenset(found.looped | set(found.stepped))


def calling(model: nn.Module) -> Callable[[Any], Any]:
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
    train: Callable[[Callable[[nn.Module], nn.Module]], nn.Module] | None = None,
    spiking: Spiking | None = None,
) -> dict[str, dict[str, float]]:
    """`evaluate` of the network and of both twins, so that energy stands beside accuracy: {network: {"converted": …}}.

    Converted twins have the network's weights as they are. `train(twin_of)`, where it is given, builds a new network
    like this one, trains its twin `twin_of(network)` and returns it: "trained". The quantised twin trains at its b
    bits, with straight-through gradients.
    """

    def dense(network: nn.Module) -> nn.Module:
        return dense_twin(network, spiking)

    def quantised(network: nn.Module) -> nn.Module:
        return quantised_twin(dense(network), counts.parts, counts.num_timesteps)

    ways = {"dense twin": dense, "quantised twin": quantised}
    converted = {
        name: twin_of(model).eval() for name, twin_of in ways.items()
    }  # before the model is run, and has states
    found = {"spiking": {"trained": evaluate(model)}}
    for name, twin_of in ways.items():
        found[name] = {"converted": evaluate(converted[name])}
        if train is not None:
            found[name]["trained"] = evaluate(train(twin_of).eval())
    return found
