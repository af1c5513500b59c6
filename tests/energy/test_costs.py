"""Cost models as tables: whole, sourced, refused with a reason, and priced as their formulae say."""

import json

import pytest
import torch
from torch import nn

from snnvtg.energy import (
    COST_MODELS,
    Account,
    ChipModel,
    ComputeModel,
    Ledger,
    MemoryModel,
    OpRecord,
    energy_breakdown_pj,
    energy_pj,
    load_cost_model,
)
from snnvtg.energy.costs import TABLES
from snnvtg.errors import InputError
from snnvtg.neurons import LIF

HOROWITZ = {"fp32": (0.9, 3.7, 4.6), "fp16": (0.4, 1.1, 1.5), "int8": (0.03, 0.2, 0.23), "int32": (0.1, 3.1, 3.2)}


@pytest.mark.parametrize("width", HOROWITZ)
def test_compute_models_hold_horowitz_figures(width):
    model = COST_MODELS[f"45nm_{width}"]
    assert (model.pj["add"], model.pj["mul"], model.pj["mac"]) == HOROWITZ[width]
    assert model.pj["ac"] == model.pj["add"]
    assert (model.node_nm, "Horowitz" in model.source) == (45, True)


@pytest.mark.parametrize(
    ("name", "synop", "update"),
    [
        ("loihi_keras_spiking", 27.1, 81),
        ("spinnaker_keras_spiking", 13300, 26000),
        ("spinnaker2_keras_spiking", 450, 2190),
        ("loihi_seneca", 23.6, None),
        ("truenorth_seneca", 2.5, None),
        ("spinnaker_seneca", 45, None),
        ("spinnaker2_seneca", 10, None),
        ("seneca", 2.8, None),
    ],
)
def test_chip_models_hold_their_tables_figures(name, synop, update):
    model = COST_MODELS[name]
    assert (model.pj["synop"], model.pj["neuron_update"]) == (synop, update)
    assert model.source


def test_a_table_is_named_as_its_file():
    assert all(json.loads(path.read_text())["name"] == path.stem for path in TABLES.glob("*.json"))
    assert set(COST_MODELS) == {path.stem for path in TABLES.glob("*.json")}


def softmax_account() -> Ledger:
    x = torch.randn(3, 5)
    with Ledger(nn.Identity(), strict=True) as ledger:
        x.softmax(-1)
    return ledger


def test_special_functions_are_priced_in_fp32_multiplications_and_in_the_total():
    """Rows of 5: 4 maxima, 5 differences, 5 exponentials, 4 adds, 5 quotients; exp 8 and div 6 multiplications."""
    by_hand = 3 * (4 * 0.9 + 9 * 0.9 + 5 * 8 * 3.7 + 5 * 6 * 3.7)
    assert energy_pj(softmax_account(), "45nm_fp32") == pytest.approx(by_hand)
    int8 = 3 * (13 * 0.03 + 5 * 8 * 3.7 + 5 * 6 * 3.7)
    assert energy_pj(softmax_account(), "45nm_int8") == pytest.approx(int8)


def test_a_chip_leaves_what_is_no_synop_to_its_host():
    assert energy_pj(softmax_account(), "seneca") == energy_pj(softmax_account(), "45nm_fp32")


def test_a_neuron_update_without_a_price_is_left_to_the_host():
    """Three neurons over two steps: 5 synops, 6 updates; SENECA's table prices no update, keras-spiking's does."""
    updates = dict.fromkeys(("mul", "add", "compare", "select"), (6, 6))
    account = Account([OpRecord("aten.mm", {"ac": (5, 9), "add": (6, 6)}), OpRecord("lif", updates, outputs=6)])
    neurons = 6 * (3.7 + 0.9 + 0.9 + 0.03) + 6 * 0.9
    assert energy_pj(account, "seneca") == pytest.approx(5 * 2.8 + neurons)
    assert energy_pj(account, "loihi_keras_spiking") == pytest.approx(5 * 27.1 + 6 * 81)


def test_totals_price_like_their_account():
    account = softmax_account()
    for name, model in COST_MODELS.items():
        if isinstance(model, ComputeModel | ChipModel):
            assert energy_pj(account.totals, name) == energy_pj(account, name)


def test_a_memory_model_asks_for_the_account():
    with pytest.raises(InputError, match="Ledger or Account"):
        energy_pj(softmax_account().totals, "memory_lemaire_new_sram")


def test_a_dense_layer_reads_input_weights_and_bias_and_writes_its_output():
    with torch.no_grad(), Ledger(layer := nn.Linear(6, 4), strict=True) as ledger:
        layer(torch.randn(3, 6))
    made = energy_breakdown_pj(ledger, "memory_lemaire_new_sram")
    macs, outputs = 3 * 6 * 4, 3 * 4
    assert made["input"] == 3 * 6 * 5
    assert made["weights"] == macs * 5
    assert made["bias"] == made["output"] == outputs * 5
    assert made["arithmetic"] == pytest.approx(macs * 3.2 + outputs * 0.1)
    assert made["address"] == pytest.approx((macs + outputs) * 0.03)
    assert made["dram"] == 0


@torch.no_grad()
def test_a_current_that_no_spikes_added_up_is_read_at_every_step():
    """Linear(4 → 3) → LIF, T = 5: dense input, so the current lies in memory; behind spikes it is the potential."""
    model = nn.Sequential(nn.Linear(4, 3, bias=False), LIF())
    nn.init.ones_(model[0].weight)
    with Ledger(model, strict=True) as dense:
        model(torch.rand(5, 1, 4))
    with Ledger(model, strict=True) as spiking:
        spiking.mark_spikes(x := torch.ones(5, 1, 4), num_timesteps=5)
        model(x)
    assert energy_breakdown_pj(dense, "memory_lemaire_new_sram")["input"] == (5 * 4 + 5 * 3) * 5
    assert energy_breakdown_pj(spiking, "memory_lemaire_new_sram")["input"] == 5 * 4 * 5


def test_weights_beyond_the_cache_come_from_dram():
    with torch.no_grad(), Ledger(layer := nn.Linear(64, 32, bias=False), strict=True) as ledger:
        layer(torch.randn(1, 64))
    fields = json.loads((TABLES / "memory_lemaire_new_sram.json").read_text())
    small = MemoryModel(**{**fields, "cache_bytes": 2048, "rest": COST_MODELS["45nm_fp32"]})
    beyond = 64 * 32 * 4 - 2048
    assert energy_breakdown_pj(ledger, small)["dram"] == pytest.approx(beyond / 8 * 1950)


def test_an_old_sram_access_grows_with_the_memory():
    model = COST_MODELS["memory_lemaire_old_sram"]
    assert model.access_pj(0) == 13.2
    assert model.access_pj(8 * 32 * 1024 * 8) == pytest.approx(13.2 + 1.09e-5 * 8 * 32 * 1024 * 8)


def test_users_add_their_own_model(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps(
            {
                "name": "mine",
                "kind": "chip",
                "title": "Mine",
                "source": "measured",
                "pj": {"synop": 1.0, "neuron_update": 2.0},
                "host": "45nm_int8",
            }
        )
    )
    account = Account([OpRecord("aten.mm", {"ac": (10, 20)}), OpRecord("aten.mm", {"mac": (3, 3)})])
    assert energy_pj(account, load_cost_model(path)) == pytest.approx(10 + 3 * 0.23)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected a JSON object"),
        ('{"name": "x"}', "`kind`, one of compute, chip, memory"),
        ('{"name": "x", "kind": "compute", "title": "", "source": "", "pj": {}, "pjs": 1}', "absent: special_in_muls"),
        (
            '{"name": "x", "kind": "compute", "title": "", "source": "", "pj": {}, "special_in_muls": {},'
            ' "special_mul_pj": 1}',
            "pj to give mac",
        ),
        ('{"name": "x", "kind": "chip", "title": "", "source": "", "pj": {"synop": 1, "neuron_update": 0}}', "host"),
        (
            '{"name": "x", "kind": "chip", "title": "", "source": "", "host": "45nm_fp32",'
            ' "pj": {"synop": -1, "neuron_update": 0}}',
            "at least 0",
        ),
        (
            '{"name": "x", "kind": "chip", "title": "", "source": "", "host": "45nm_fp32",'
            ' "pj": {"synop": null, "neuron_update": null}}',
            "a price for synop",
        ),
    ],
)
def test_a_bad_table_is_named(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_cost_model(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_cost_model(tmp_path / "none.json")


def test_an_unknown_model_lists_the_known():
    with pytest.raises(InputError, match="45nm_fp32"):
        energy_pj(softmax_account(), "loihi")
