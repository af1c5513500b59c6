"""Neurons of norse and sinabs, where they are installed: `pip install norse sinabs`."""

import pytest
import torch
from torch import nn

from snnvtg.energy import Ledger

X = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0)).abs() * 100


class Behind(nn.Module):
    def __init__(self, neuron: nn.Module, width: int = 6):
        super().__init__()
        self.neuron, self.linear = neuron, nn.Linear(width, 5, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.neuron(x)
        self.spikes = out[0] if isinstance(out, tuple) else out
        return self.linear(self.spikes)


def watched(neuron: nn.Module, x=X, width: int = 6):
    torch.manual_seed(0)
    with torch.no_grad(), Ledger(model := Behind(neuron, width), strict=True) as ledger:
        model(x)
    return model, ledger


@pytest.mark.parametrize("name", ["LIF", "LIFEx", "LIFAdEx", "LSNN", "IAF", "LIFCell"])
def test_norse_neurons(name):
    norse = pytest.importorskip("norse.torch")
    model, ledger = watched(getattr(norse, name)())
    assert model.spikes.sum() > 0
    assert ledger.totals["synops"] == int(model.spikes.sum()) * 5
    (steps,) = {r.num_timesteps for r in ledger.records if r.module == "linear" and "ac" in r.counts}
    assert steps == (1 if name.endswith("Cell") else 4)


def test_norse_recurrent_neurons_synapses():
    norse = pytest.importorskip("norse.torch")
    model, ledger = watched(norse.LIFRecurrent(6, 7), X * 10, 7)
    per_step = model.spikes.sum((1, 2))
    assert per_step.sum() > 0
    assert ledger.totals["macs"] >= 4 * 3 * 6 * 7  # its input is no spikes
    recurrent = int(per_step[:-1].sum()) * 7
    assert ledger.totals["synops"] == int(per_step.sum()) * 5 + recurrent


def test_a_leaky_integrator_of_norse_makes_no_spikes():
    norse = pytest.importorskip("norse.torch")
    with torch.no_grad(), Ledger(model := Behind(norse.LI())) as ledger:
        model(X)
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (0, X.numel() * 5)


def test_sinabs_neurons_of_one_spike_a_step():
    layers = pytest.importorskip("sinabs.layers")
    activation = pytest.importorskip("sinabs.activation")
    model, ledger = watched(layers.LIF(tau_mem=10.0, spike_fn=activation.SingleSpike))
    assert model.spikes.sum() > 0
    assert ledger.totals["synops"] == int(model.spikes.sum()) * 5


def test_sinabs_neurons_of_several_spikes_a_step_are_integers():
    layers = pytest.importorskip("sinabs.layers")
    with torch.no_grad(), Ledger(model := Behind(layers.IAF())) as ledger:
        model(X)
    assert model.spikes.max() > 1
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (0, X.numel() * 5)


def test_sinabs_recurrent_neurons_synapses():
    layers = pytest.importorskip("sinabs.layers")
    activation = pytest.importorskip("sinabs.activation")
    recurrent = layers.LIFRecurrent(
        tau_mem=10.0, rec_connect=nn.Linear(6, 6, bias=False), spike_fn=activation.SingleSpike
    )
    _, ledger = watched(recurrent)
    inside = [r.counts for r in ledger.records if r.module.endswith("rec_connect") and {"ac", "mac"} & set(r.counts)]
    assert sum(c.get("ac", (0, 0))[1] + c.get("mac", (0, 0))[1] for c in inside) == 3 * X.numel() // 3 * 6
