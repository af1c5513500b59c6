"""A cost model is an object with a formula: one of the user's own, and nothing dropped from a sum."""

import pytest
import torch
from torch import nn

from snnvtg.energy import COST_MODELS, Account, CostModel, Ledger, OpRecord, energy_pj
from snnvtg.energy.costs import find, register
from snnvtg.energy.report_tables import module_table, range_table
from snnvtg.energy.twin_counts import count_with_twin
from snnvtg.errors import InputError


class Mine(CostModel):
    """A formula of a user's, with a cause that no table of ours knows."""

    name, title, source, kind = "mine", "Mine", "measured", "board"

    def breakdown_pj(self, account, bits=None):
        return {"synop": 2.0 * account.totals["synops"], "radio": 7.0 * len(account.phase("forward"))}


@pytest.fixture
def mine(monkeypatch):
    monkeypatch.setitem(COST_MODELS, "mine", None)
    return register(Mine)


def test_a_users_formula_is_registered_and_priced(mine):
    account = Account([OpRecord("aten.mm", {"ac": (10, 20)}), OpRecord("aten.mm", {"mac": (3, 3)})])
    assert energy_pj(account, "mine") == 2 * 10 + 7 * 2
    assert isinstance(find("mine"), Mine)


def test_a_model_is_found_in_a_file(tmp_path, monkeypatch):
    file = tmp_path / "board_model.py"
    file.write_text(
        "from snnvtg.energy.costs import CostModel\n\n"
        "class Board(CostModel):\n"
        "    name, title, source, kind = 'board', 'Board', 'measured', 'board'\n\n"
        "    def breakdown_pj(self, account, bits=None):\n"
        "        return {'all': 5.0}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert energy_pj(Account([]), f"{file}:Board") == 5
    with pytest.raises(InputError, match="needs no arguments"):
        find(f"{file}:CostModel")


def test_what_is_no_cost_model_is_refused():
    with pytest.raises(InputError, match="subclass"):
        register(3)


def test_a_cause_without_a_group_stays_in_the_sum(mine):
    account = Account([OpRecord("aten.mm", {"ac": (10, 20)}, module="a"), OpRecord("x", {}, module="b")])
    table = module_table(account, "mine").set_index("part")
    assert table.loc["a", "other causes"] == table.loc["b", "other causes"] == 7
    assert table["total"].sum() == energy_pj(account, "mine")


def test_a_kind_without_a_price_is_an_error_not_free():
    account = Account([OpRecord("x", {"fft": (5, 5)})])
    for name in ("45nm_fp32", "seneca", "memory_lemaire_new_sram"):
        with pytest.raises(InputError, match="a price for 'fft'"):
            energy_pj(account, name)


def test_what_a_product_does_beside_its_products_is_priced_in_memory_models_too():
    """addmm with alpha: 6 outputs scaled; an EIF-like neuron's exponentials."""
    plain = OpRecord("aten.addmm", {"mac": (24, 24)}, outputs=6, dense_in=8)
    scaled = OpRecord("aten.addmm", {"mac": (24, 24), "mul": (6, 6)}, outputs=6, dense_in=8)
    name = "memory_lemaire_new_sram"
    assert energy_pj(Account([scaled]), name) - energy_pj(Account([plain]), name) == pytest.approx(6 * 3.7)
    update = dict.fromkeys(("mul", "add", "compare", "select"), (4, 4))
    lif, eif = OpRecord("lif", update, outputs=4), OpRecord("lif", {**update, "exp": (4, 4)}, outputs=4)
    assert energy_pj(Account([eif]), name) - energy_pj(Account([lif]), name) == pytest.approx(4 * 8 * 3.7)


def test_a_priced_neuron_update_holds_whatever_the_neuron_does():
    update = {**dict.fromkeys(("mul", "add", "compare"), (4, 4)), "exp": (4, 4)}
    account = Account([OpRecord("lif", update, outputs=4)])
    assert energy_pj(account, "loihi_keras_spiking") == 4 * 81
    own = Account([OpRecord("lif", {**update, "ac": (9, 9)}, outputs=4)])
    assert energy_pj(own, "loihi_keras_spiking") == 4 * 81 + 9 * 27.1


def test_ties_are_ties():
    """A network without spikes costs the same as its twins under every model."""
    found = count_with_twin(nn.Linear(4, 2), [torch.rand(1, 4)])
    assert set(range_table(found)["cheapest"]) == {"spiking = dense twin = quantised twin"}


def test_totals_price_what_their_records_do():
    with torch.no_grad(), Ledger(model := nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Softmax(-1))) as ledger:
        model(torch.rand(2, 4))
    for name in ("45nm_fp32", "loihi_keras_spiking"):
        assert energy_pj(ledger.totals, name) == pytest.approx(energy_pj(ledger, name))
