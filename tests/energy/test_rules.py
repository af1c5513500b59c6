"""Counting rules one by one, the expected counts worked out here."""

import pytest
import torch
from torch import nn

from snnvtg.energy import Ledger
from snnvtg.energy.operators import OPERATORS
from snnvtg.energy.provenance import Provenance
from snnvtg.energy.rules import Call

X = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) + 0.5
ENTRIES = 24


def counted(function, model=None) -> dict[str, int]:
    with torch.no_grad(), Ledger(model or nn.Identity(), strict=True) as ledger:
        function()
    kinds = ("macs", "mul", "add", "div", "sqrt", "exp", "log", "compare", "select", "logic", "random")
    return {kind: ledger.totals[kind] for kind in kinds if ledger.totals[kind]}


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (lambda: X**1, {}),
        (lambda: X**2, {"mul": ENTRIES}),
        (lambda: X**3, {"mul": 2 * ENTRIES}),
        (lambda: X**4, {"mul": 2 * ENTRIES}),
        (lambda: X**-1, {"div": ENTRIES}),
        (lambda: X**-2, {"mul": ENTRIES, "div": ENTRIES}),
        (lambda: X**0.5, {"sqrt": ENTRIES}),
        (lambda: X**-0.5, {"sqrt": ENTRIES, "div": ENTRIES}),
        (lambda: X**1.7, {"log": ENTRIES, "mul": ENTRIES, "exp": ENTRIES}),
        (lambda: X**X, {"log": ENTRIES, "mul": ENTRIES, "exp": ENTRIES}),
        (lambda: 2.0**X, {"mul": ENTRIES, "exp": ENTRIES}),  # the logarithm of 2 is known
    ],
)
def test_powers(power, expected):
    assert counted(power) == expected


def test_a_quotient_by_a_literal_is_a_product():
    assert counted(lambda: X / 3) == {"mul": ENTRIES}


def test_a_quotient_by_a_computed_number_is_a_reciprocal_and_products():
    assert counted(lambda: X / X.sum()) == {"add": ENTRIES - 1, "div": 1, "mul": ENTRIES}


def test_a_quotient_by_a_parameter_is_a_product():
    model = nn.ParameterDict({"scale": nn.Parameter(torch.tensor(2.0))})
    assert counted(lambda: X / model["scale"], model) == {"mul": ENTRIES}


def test_accumulating_into_places_adds_and_writing_does_not():
    places = (torch.tensor([0, 0]),)
    assert counted(lambda: torch.zeros(4, 6).index_put(places, X[:2], accumulate=True)) == {"add": 12}
    assert counted(lambda: torch.zeros(4, 6).index_put(places, X[:2])) == {}


def test_the_gradient_of_an_embedding_by_index_is_added_up():
    table = nn.Parameter(torch.rand(5, 3))
    with Ledger(nn.ParameterList([table]), strict=True) as ledger:
        table[torch.tensor([1, 1, 4])].sum().backward()
    assert ledger.backward_totals["add"] == 3 * 3


def test_matrix_and_vector():
    assert counted(lambda: torch.addmv(X[:, 0], X, X[0])) == {"macs": ENTRIES, "add": 4}
    assert counted(lambda: torch.addmv(X[:, 0], X, X[0], beta=0)) == {"macs": ENTRIES}
    layer = nn.Linear(6, 3)
    assert counted(lambda: layer(X[0]), layer) == {"macs": 18, "add": 3}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.PReLU(), {"compare": 1, "mul": 1}),
        (nn.Hardswish(), {"add": 1, "compare": 2, "mul": 2}),
        (nn.Hardsigmoid(), {"add": 1, "compare": 2, "mul": 1}),
        (nn.CELU(), {"compare": 1, "exp": 1, "add": 1, "mul": 1}),
        (nn.ReLU6(), {"compare": 2}),
    ],
)
def test_activations_an_entry(layer, expected):
    assert counted(lambda: layer(X), layer) == {kind: count * ENTRIES for kind, count in expected.items()}


def test_sorting_a_row_takes_n_log_n_comparisons():
    assert counted(lambda: X.sort()) == {"compare": ENTRIES * 3}  # rows of 6: 3 = ⌈log2 6⌉
    assert counted(lambda: X.sort(0)) == {"compare": ENTRIES * 2}
    assert counted(lambda: X.median()) == {"compare": ENTRIES * 5}


def test_recurrent_cells_are_priced_whole():
    cell = nn.LSTMCell(6, 3)
    made = counted(lambda: cell(X), cell)
    # four gates of three units: 6 inputs and 3 states each; sigmoid or tanh of each, tanh of the state
    assert made["macs"] == 4 * 12 * (6 + 3)
    assert made["exp"] == 4 * (12 + 3)


@pytest.mark.parametrize("name", ["native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit"])
def test_batch_statistics_are_counted_in_training_whatever_kernel_computes_them(name):
    x, channel = torch.rand(5, 3), torch.ones(3)

    def made(training: bool) -> dict:
        args = (x, channel, channel, channel, channel, training, 0.1, 1e-5)
        return OPERATORS[name].rule(Call(name, args, {}, (x, channel, channel), Provenance()))

    # evaluation: one product and one add an entry, a few a channel; training: mean, variance, normalising, scale, bias
    assert made(False)["mul"] == (15 + 2 * 3,) * 2
    assert made(True)["mul"] == (3 + 15 + 3 + 15 + 15,) * 2
