"""Case A of the energy design: an MLP small enough to count by hand, every figure of its table."""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode

from snnvtg.energy import Ledger, QueryAccounts, energy_breakdown_pj, energy_pj
from snnvtg.instrumentation import FiringRates, membrane_updates
from snnvtg.neurons import available_backends, set_backend

SYNOPS = 23 * 4 + 15 * 3
"""spikes × fan-out: 23 input spikes reach 4 neurons, 15 spikes of layer 1 reach 3"""


def run(network, x, *, spikes=True) -> Ledger:
    with Ledger(network, strict=True) as ledger:
        if spikes:
            ledger.mark_spikes(x, num_timesteps=len(x))
        network(x)
    return ledger


def by_sample(network, x) -> QueryAccounts:
    samples, accounts = [x[:, b : b + 1].clone() for b in range(x.shape[1])], QueryAccounts()
    with Ledger(network, strict=True) as ledger:
        for sample in samples:
            ledger.mark_spikes(sample, num_timesteps=len(sample))
            network(sample)
            accounts.take(ledger)
    return accounts


def test_synaptic_operations_are_spikes_times_fan_out(case_a):
    totals = run(case_a.network(), case_a.input).totals
    assert (totals["synops"], totals["acs_dense"], totals["macs"], totals["macs_dense"]) == (SYNOPS, 288, 0, 288)


def test_spikes_leaving_and_entering_each_layer(case_a):
    records = run(case_a.network(), case_a.input).records
    assert [(r.spikes_in, r.dense_in) for r in records if "ac" in r.counts] == [(23, 48), (15, 32)]
    assert [(r.spikes_out, r.outputs) for r in records if r.op == "lif"] == [(15, 32), (7, 24)]


def test_skipping_zero_weights_leaves_117(case_a):
    ledger = Ledger(network := case_a.network(), strict=True, skip_zero_weights=True)
    with ledger:
        ledger.mark_spikes(case_a.input, num_timesteps=4)
        network(case_a.input)
    acs = [r.counts["ac"][0] for r in ledger.records if "ac" in r.counts]
    assert acs == [81, 36]
    assert ledger.totals["synops"] == 117


def test_a_lif_layer_is_one_leak_add_compare_and_reset_a_neuron_and_step(case_a):
    totals = run(case_a.network(), case_a.input).totals
    updates = 4 * 2 * (4 + 3)
    biases = 4 * 2 * 4
    assert {kind: totals[kind] for kind in ("mul", "add", "compare", "select")} == {
        "mul": updates,
        "add": updates + biases,
        "compare": updates,
        "select": updates,
    }
    assert (totals["neuron_updates"], totals["spike_bias_adds"]) == (updates, biases)


@pytest.mark.parametrize("backend", [name for name, reasons in available_backends().items() if reasons is None])
def test_every_backend_gives_the_same_records(case_a, backend):
    network = case_a.network()
    expected = run(network, case_a.input).table()
    set_backend(network, backend)
    assert run(network, case_a.input).table().equals(expected)


def test_energy_at_45_nm_fp32(case_a):
    """92 + 45 accumulates, 56 leak products, 56 + 32 adds, 56 comparisons, 56 selections."""
    by_hand = 137 * 0.9 + 56 * 3.7 + (56 + 32) * 0.9 + 56 * 0.9 + 56 * 0.03
    assert energy_pj(run(case_a.network(), case_a.input), "45nm_fp32") == pytest.approx(by_hand)


def test_loihi_prices_synops_and_neuron_updates(case_a):
    ledger = run(case_a.network(), case_a.input)
    assert energy_pj(ledger, "loihi_keras_spiking") == pytest.approx(137 * 27.1 + 56 * 81)
    assert energy_pj(ledger, "loihi_keras_spiking") == pytest.approx(8248.7)


@pytest.mark.parametrize(("model", "expected"), [("old", 8322.9), ("new", 3278.4)])
def test_memory_aware_energy(case_a, model, expected):
    accounts = by_sample(case_a.network(), case_a.input)
    assert round(energy_pj(accounts, f"memory_lemaire_{model}_sram"), 1) == expected


def test_memory_aware_accesses_are_those_of_the_formulae(case_a):
    """θ: 23 → 15 → 7; T·N_out over both samples: 32 and 24; the second layer has no bias."""
    made = energy_breakdown_pj(by_sample(case_a.network(), case_a.input), "memory_lemaire_new_sram")
    accesses = {cause: made[cause] / 5 for cause in ("input", "weights", "bias", "potential", "output")}
    potential = 2 * (137 + 32 + 24)
    assert accesses == pytest.approx(
        {"input": 23 + 15, "weights": 137, "bias": 32, "potential": potential, "output": 15 + 7}
    )
    assert made["arithmetic"] == pytest.approx((137 + 32 + 22) * 0.1 + 56 * 3.2)


def test_halved_input_is_not_spiking(case_a):
    """X × 0.5 as an ordinary input: dense MACs in layer 1; 6 spikes leave it; the last layer is silent."""
    halved = case_a.input * 0.5
    ledger = run(case_a.network(), halved, spikes=False)
    assert (ledger.totals["macs"], ledger.totals["synops"]) == (192, 18)
    assert [r.spikes_out for r in ledger.records if r.op == "lif"] == [6, 0]


def test_binary_input_nobody_declared_is_not_spiking_either(case_a):
    totals = run(case_a.network(), case_a.input, spikes=False).totals
    assert (totals["macs"], totals["synops"]) == (192, 45)


def test_firing_rates_and_sparsity(case_a):
    network = case_a.network()
    with FiringRates(network, layout="TBC") as rates:
        network(case_a.input)
    assert dict(rates) == {"1": 15 / 32, "3": 7 / 24}
    assert pytest.approx(0.607143, abs=1e-6) == 1 - (15 + 7) / (32 + 24)  # NeuroBench's activation sparsity
    assert 1 - rates.firing_rate == pytest.approx(0.607143, abs=1e-6)
    weights = torch.cat([case_a.weight_1.flatten(), case_a.weight_2.flatten()])
    assert float((weights == 0).double().mean()) == pytest.approx(0.1389, abs=5e-5)


def test_membrane_updates_as_neurobench_counts_them(case_a):
    network = case_a.network()
    current_1 = network[0](case_a.input)
    current_2 = network[2](network[1](current_1))
    updates = sum(membrane_updates(current, case_a.parameters) for current in (current_1, current_2))
    assert updates / 2 == 27


def test_fvcore_and_torch_see_the_dense_products_only(case_a):
    network, x = case_a.network(), case_a.input
    ledger = run(network, x)
    assert FlopCountAnalysis(network, x).unsupported_ops_warnings(False).total() == 288 == ledger.totals["macs_dense"]
    with FlopCounterMode(display=False) as torch_counter:
        network(x)
    assert torch_counter.get_total_flops() == 2 * 288  # two operations a MAC
