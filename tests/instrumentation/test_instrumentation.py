"""Firing rates, rasters and intervals against counting by hand."""

import pytest
import torch
from torch import nn

from snnvtg.energy import Ledger
from snnvtg.errors import InputError
from snnvtg.instrumentation import FiringRates, Rasters, inter_spike_intervals
from snnvtg.models.spikemba import SpikeMba
from snnvtg.neurons import LIF, LIFParameters


def fixed(rate: float) -> torch.Tensor:
    return torch.full((5, 2, 3), rate)


@pytest.fixture
def spikemba(tiny) -> SpikeMba:
    torch.manual_seed(0)
    return SpikeMba(tiny, 6, 5).eval()


def test_dead_and_saturated_neurons_are_flagged():
    layer = LIF()
    current = torch.stack([fixed(-1.0)[..., 0], fixed(1.0)[..., 0], fixed(0.6)[..., 0]], -1)
    with FiringRates(layer, layout="TBC") as rates:
        layer(current)
    counted = rates.layers[""]
    assert counted.dead.tolist() == [True, False, False]
    assert counted.saturated.tolist() == [False, True, False]
    # 0.6, then 0.6 + 0.3 = 0.9, then 0.6 + 0.45 = 1.05 fires: one step in three; five steps hold one spike
    assert counted.per_neuron.tolist() == pytest.approx([0, 1, 0.2])
    assert counted.per_timestep.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert rates[""] == pytest.approx(0.4)


def test_rates_add_up_over_batches_and_memory_does_not_grow():
    layer, torch_seed = LIF(), torch.Generator().manual_seed(0)
    batches = [torch.randn(4, 3, 6, 8, generator=torch_seed) * 2 for _ in range(20)]
    with torch.no_grad(), FiringRates(layer) as rates:
        layer(batches[0])
        kept = sum(x.spikes.numel() for x in rates.layers.values())
        for batch in batches[1:]:
            layer(batch)
    assert sum(x.spikes.numel() for x in rates.layers.values()) == kept == 4 * 8
    with torch.no_grad():
        everything = torch.cat([layer(batch) for batch in batches], 1)
    assert rates[""] == pytest.approx(float(everything.mean()), rel=1e-6)
    assert rates.layers[""].per_head(2).tolist() == pytest.approx(
        [float(everything[..., :4].mean()), float(everything[..., 4:].mean())]
    )


@torch.no_grad()
def test_padding_is_left_out_by_the_models_own_masks(spikemba, make_batch):
    with FiringRates(spikemba) as padded:
        spikemba(make_batch())
    with FiringRates(spikemba) as alone:
        for i in range(3):
            spikemba(make_batch([i]))
    assert len(padded) == 8
    for name, layer in padded.layers.items():
        assert layer.samples == alone.layers[name].samples == 9 + 5 + 7 + 3 * spikemba.config.num_slots
        assert torch.equal(layer.spikes, alone.layers[name].spikes), name


def test_a_mean_over_time_gives_the_same_rate():
    layer, current = LIF(), torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0)) * 2
    with torch.no_grad(), FiringRates(layer) as whole:
        layer(current, num_timesteps=5)
    with torch.no_grad(), FiringRates(layer) as averaged:
        layer(current, num_timesteps=5, reduction="mean")
    assert averaged[""] == whole[""] > 0
    assert torch.equal(averaged.layers[""].per_neuron, whole.layers[""].per_neuron)
    with pytest.raises(InputError, match="per_timestep"):
        _ = averaged.layers[""].per_timestep


def test_another_number_of_steps_asks_for_a_reset():
    layer = LIF()
    with FiringRates(layer, layout="TBC") as rates:
        layer(torch.zeros(4, 2, 3))
        with pytest.raises(InputError, match="reset"):
            layer(torch.zeros(6, 2, 3))
        rates.reset()
        layer(torch.zeros(6, 2, 3))
    assert rates.layers[""].num_timesteps == 6


def test_a_layout_that_does_not_fit_is_named():
    with pytest.raises(InputError, match="layout"):
        FiringRates(LIF(), layout="BTC")
    layer = LIF()
    with pytest.raises(InputError, match="expected spikes"), FiringRates(layer):
        layer(torch.zeros(4, 2, 3))


@torch.no_grad()
def test_looking_on_adds_nothing_to_the_ledger(spikemba, make_batch):
    with Ledger(spikemba) as alone:
        spikemba(make_batch([0]))
    with FiringRates(spikemba), Rasters(spikemba), Ledger(spikemba) as watched:
        spikemba(make_batch([0]))
    assert watched.totals == alone.totals
    assert len(watched.records) == len(alone.records)


@torch.no_grad()
def test_rasters_keep_the_chosen_layers(spikemba, make_batch):
    with Rasters(spikemba, layers=("blocks.0.ssd.out_lif",)) as rasters:
        out = spikemba(make_batch([0]))
    (spikes,) = rasters["blocks.0.ssd.out_lif"]
    assert list(rasters) == ["blocks.0.ssd.out_lif"]
    assert torch.equal(spikes[:, :, :9], out.spikes[0])


def test_intervals_between_spikes():
    trains = torch.tensor([[1, 0, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0], [1, 0, 1, 1]]).float()
    # neuron 0 fires at 0, 2, 3; neuron 1 never; neuron 2 at 1, 3; neuron 3 at 0, 1, 3
    assert inter_spike_intervals(trains).tolist() == [2, 1, 2, 1, 2]
    assert inter_spike_intervals(torch.zeros(4, 3)).tolist() == []


def test_hooks_are_gone_after_the_block():
    layer = nn.Sequential(LIF(LIFParameters(v_threshold=0.5)))
    with FiringRates(layer, layout="TBC") as rates:
        layer(torch.ones(2, 1, 3))
    layer(torch.ones(2, 1, 3))
    assert rates.layers["0"].samples == 1
