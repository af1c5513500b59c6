"""Twins, break-even rates and the report's tables against arithmetic by hand."""

import math

import pytest
import torch

from snnvtg.energy import Account, Ledger, OpRecord, energy_pj
from snnvtg.energy.breakeven import firing_rate, layer_break_even, network_break_even, scaled
from snnvtg.energy.report_tables import module_table, part_of, range_table
from snnvtg.energy.report_words import range_in_words, special_functions_in_words
from snnvtg.energy.twin_counts import count_with_twin
from snnvtg.energy.twins import bits, dense_twin, quantised_twin_pj
from snnvtg.models.spikemba import SpikeMba


@pytest.fixture
def model(tiny) -> SpikeMba:
    torch.manual_seed(0)
    return SpikeMba(tiny, 6, 5).eval()


@pytest.fixture
def found(model, make_batch):
    return count_with_twin(model, [make_batch()])


def test_bits_tell_every_level_of_a_rate_code_apart():
    assert [bits(t) for t in (1, 2, 3, 4, 7, 8, 15, 16)] == [1, 2, 2, 3, 3, 4, 4, 5]


@torch.no_grad()
def test_the_dense_twin_has_softmax_attention_and_no_neurons(model, tiny, make_batch):
    twin = dense_twin(model)
    with Ledger(model) as spiking:
        model(make_batch([0]))
    with Ledger(twin, strict=True) as dense:
        twin(make_batch([0]))
    d, M, T, blocks = tiny.width, 9 + tiny.num_slots, tiny.num_timesteps, tiny.num_blocks
    # the last projection once instead of T times, the two products of attention once instead of T times
    fewer = blocks * (T - 1) * (M * d * d + 2 * M * M * d)
    assert spiking.totals["macs_dense"] - dense.totals["macs_dense"] == fewer
    assert (dense.totals["synops"], dense.totals["neuron_updates"]) == (0, 0)
    # softmax rows of M scores, a head and row of M each; the masks of padded keys are selections
    assert dense.totals["exp"] - spiking.totals["exp"] == blocks * tiny.num_heads * M * M


@torch.no_grad()
def test_the_twin_normalises_what_the_detector_normalises(model, make_batch):
    """q, k, v once in both; the output once in the twin and at T = 3 steps in the detector."""
    with Ledger(model) as spiking:
        model(make_batch([0]))
    with Ledger(twin := dense_twin(model)) as dense:
        twin(make_batch([0]))
    entries, blocks = (9 + 2) * 16, 2
    affine = sum(r.counts["mul"][0] for r in spiking.records if r.op == "lif.affine")
    assert affine == blocks * (3 + 3) * entries
    norms = [r for r in dense.records if r.module.endswith("_norm") and r.op == "aten.mul" and r.outputs == entries]
    assert sum(r.counts["mul"][0] for r in norms) == blocks * (3 + 1) * entries


def test_the_quantised_twin_takes_an_accumulate_per_bit(found, tiny):
    """T = 3, 2 bits: each product of a detector, and of the gate that reads its mean over time, costs 2 accumulates of
    0.9 pJ instead of a MAC of 4.6."""
    dense = energy_pj(found.dense, "45nm_fp32")
    d, slots = tiny.width, tiny.num_slots
    lengths = [9 + slots, 5 + slots, 7 + slots]
    gate = d * tiny.expand * d
    products = tiny.num_blocks * sum(4 * M * d * d + 2 * M * M * d + M * gate for M in lengths)
    assert {"blocks.0.mrm.linear_z", "blocks.1.mrm.linear_z"} < found.parts.driven
    assert found.parts.own == ("blocks.0.ssd", "blocks.1.ssd")
    assert found.num_timesteps == 3
    assert quantised_twin_pj(found.dense, found.parts, 3, "45nm_fp32") == pytest.approx(dense - products * (4.6 - 1.8))


def test_scaling_rates_scales_coincidences_by_the_square():
    account = Account(
        [
            OpRecord("aten.bmm", {"ac": (100, 1000)}, spikes_in=10, spike_operands=2),
            OpRecord("aten.mm", {"ac": (100, 1000), "add": (50, 50)}, spikes_in=10),
            OpRecord("lif", {"mul": (40, 40)}, spikes_out=20, outputs=40),
        ]
    )
    half = scaled(account, 0.5)
    assert [record.counts for record in half.records] == [
        {"ac": (25, 1000)},
        {"ac": (50, 1000), "add": (50, 50)},
        {"mul": (40, 40)},
    ]
    assert (firing_rate(account), firing_rate(half)) == (0.5, 0.25)


def test_the_break_even_rate_is_where_both_cost_the_same(found):
    rate = firing_rate(found.spiking)
    halfway = energy_pj(scaled(found.spiking, 0.5), "45nm_fp32")
    even = network_break_even(found.spiking, halfway, "45nm_fp32")
    assert even.break_even_rate == pytest.approx(rate / 2, rel=1e-6)
    assert not even.spiking_wins
    assert network_break_even(found.spiking, even.silent_pj - 1, "45nm_fp32").break_even_rate == 0
    assert network_break_even(found.spiking, 1e18, "45nm_fp32").break_even_rate == math.inf


def test_break_even_of_a_layer_by_hand():
    """n inputs, m outputs: m·(n·4.6 + 0.9) against T·m·(r·n·0.9 + bias 0.9 + 3.7 + 0.9 + 0.9 + 0.03)."""
    n, m, T = 100, 10, 4
    neuron = 0.9 + 3.7 + 0.9 + 0.9 + 0.03
    expected = (n * 4.6 + 0.9 - T * neuron) / (T * n * 0.9)
    assert layer_break_even("45nm_fp32", T, n, m) == pytest.approx(expected)
    assert layer_break_even("spinnaker_keras_spiking", T, n, m) == 0


def test_break_even_of_a_layer_falls_with_the_steps():
    rates = [layer_break_even("memory_lemaire_new_sram", T) for T in (1, 2, 4, 8)]
    assert rates == sorted(rates, reverse=True)
    # Dampfhoffer et al. give 0.15 to 1.38 spikes per synapse and inference
    assert 0.15 < rates[0] < 1.38


def test_the_range_table_prices_one_ledger_under_every_model(found):
    table = range_table(found).set_index("cost_model")
    row = table.loc["45nm_fp32"]
    assert row["spiking_pj"] == pytest.approx(energy_pj(found.spiking, "45nm_fp32") / 3)
    assert row["dense_twin_pj"] == pytest.approx(energy_pj(found.dense, "45nm_fp32") / 3)
    assert (table["silent_pj"] <= table["spiking_pj"]).all()
    assert (table["quantised_twin_pj"] <= table["dense_twin_pj"]).all()
    words = range_in_words(table.reset_index())
    assert table["spiking_pj"].idxmin() in words
    assert table["spiking_pj"].idxmax() in words


def test_the_verdict_is_tried_at_other_prices_of_special_functions():
    """10 MACs against 10 exponentials of 8 multiplications: dearer under every table, unless exponentials are free."""
    macs, exps = Account([OpRecord("a", {"mac": (10, 10)})]), Account([OpRecord("b", {"exp": (10, 10)})])
    words = special_functions_in_words(macs, exps)
    tables = "45nm_fp16, 45nm_fp32, 45nm_int32, 45nm_int8"
    assert "free, spiking would be cheaper than the dense twin under none of the models" in words
    assert f"at twice the price under {tables}" in words


@pytest.mark.parametrize("cost_model", ["45nm_fp32", "loihi_keras_spiking", "memory_lemaire_old_sram"])
def test_parts_add_up_to_the_whole(found, cost_model):
    parts = module_table(found.spiking, cost_model)
    assert parts["total"].sum() == pytest.approx(energy_pj(found.spiking, cost_model))
    assert {"blocks.cmr", "blocks.ssd", "blocks.mrm", "project_vis"} <= set(parts["part"])


def test_parts_of_a_path():
    assert part_of("blocks.0.ssd.q_proj") == "blocks.ssd"
    assert part_of("blocks.0.ssd.q_proj", 2) == "blocks.ssd.q_proj"
    assert part_of("project_vis.layers.1") == "project_vis"
    assert part_of("") == "(model)"
