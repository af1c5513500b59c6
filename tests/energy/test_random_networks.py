"""Hundreds of random small networks: the ledger and an oracle that replays them in float64 agree on every count."""

import warnings

import pytest
import torch

from snnvtg.energy import Ledger, LedgerWarning
from tests.energy.oracle import B, Network, T, draw, eighths, replay


def input_of(steps: list, seed: int) -> torch.Tensor:
    """Values, or spikes where the network's first step says so."""
    _, shape, spiking = steps[0]
    x = eighths(torch.Generator().manual_seed(seed), T, B, *shape)
    return (x > 0.25).float() if spiking else x


def agrees(seed: int) -> tuple[int, int]:
    steps = draw(seed)
    network, x = Network(steps, seed), input_of(steps, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)  # some are silent
        with torch.no_grad(), Ledger(network) as ledger:
            if steps[0][2]:
                ledger.mark_spikes(x, num_timesteps=T)
            network(x)
    found, totals = replay(network, x), ledger.totals
    counts = (totals["synops"], totals["macs"], totals["macs_dense"], totals["neuron_updates"])
    assert counts == (found.synops, found.macs, found.dense, found.updates), (seed, steps)
    assert sum(r.spikes_out for r in ledger.records if r.op == "lif") == found.spikes, (seed, steps)
    assert ledger.coverage == 1, (seed, ledger.unpriced)
    return found.synops, found.macs


@pytest.mark.parametrize("block", range(6))
def test_random_networks_count_as_the_oracle_does(block):
    found = [agrees(seed) for seed in range(100 * block, 100 * block + 100)]
    assert sum(synops > 0 for synops, _ in found) > 40  # the networks are no trivial ones
    assert sum(macs > 0 for _, macs in found) > 40
