"""Neurons beyond Eq. 4 in the ledger: each part's work beside the plain neuron's, worked out by hand."""

import pytest
import torch

from snnvtg.energy import Ledger
from snnvtg.neurons import LIF, LIFParameters

T, N = 5, 3
UPDATES = T * N


def totals(parameters: LIFParameters, **options) -> tuple[dict[str, int], int]:
    """(counts, spikes) of one call on constant input."""
    layer = LIF(parameters, backend="reference", **options)
    if layer.recurrent is not None:
        torch.nn.init.zeros_(layer.recurrent)
    with Ledger(layer, strict=True) as ledger, torch.no_grad():
        spikes = layer(torch.full((T, N), 0.7))
    return {kind: n for kind, n in ledger.totals.items() if n}, int(spikes.sum())


@pytest.mark.parametrize(
    "change, more, per_spike",
    [
        ({"synapse": 0.5}, {"mul": 1, "add": 1}, {}),
        ({"adaptation": 0.1}, {"mul": 1, "add": 1}, {"add": 1}),
        ({"refractory": 1}, {"compare": 1, "select": 3, "add": 1}, {}),
    ],
)
def test_parts_are_counted_per_neuron_and_step(change, more, per_spike):
    plain, _ = totals(LIFParameters())
    made, fired = totals(LIFParameters(**change))
    assert fired
    for kind in ("mul", "add", "compare", "select"):
        extra = more.get(kind, 0) * UPDATES + per_spike.get(kind, 0) * fired
        assert made[kind] - plain[kind] == extra, kind


def test_recurrent_spikes_are_accumulated_through_their_weights():
    made, fired = totals(LIFParameters(), recurrent=N)
    plain, _ = totals(LIFParameters())
    assert made["synops"] == fired * N and "synops" not in plain
