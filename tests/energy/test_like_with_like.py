"""Counts and prices that do not depend on how a network is laid out: padding, lookups, transposition, batch size."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.energy import COST_MODELS, Ledger, energy_breakdown_pj, energy_pj
from snnvtg.scan import causal_conv1d

CONVOLUTIONS = [
    (nn.Conv1d(3, 4, 3, padding=1, dilation=2), (2, 3, 9)),
    (nn.Conv2d(3, 4, (2, 3), stride=(3, 1), padding=(0, 2)), (2, 3, 7, 6)),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), (2, 4, 5, 5)),
    (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 5)),
    (nn.ConvTranspose2d(3, 2, 3, stride=2, output_padding=1), (1, 3, 4, 4)),
    (nn.Conv2d(2, 3, 5, padding=4), (1, 2, 1, 1)),
]
TABLES = [name for name, model in COST_MODELS.items() if model.kind == "memory"]


def counted(model: nn.Module, *inputs: Tensor, spikes: Tensor | None = None, run=None) -> Ledger:
    with torch.no_grad(), Ledger(model) as ledger:
        if spikes is not None:
            ledger.mark_spikes(spikes)
        (run or model)(*inputs)
    return ledger


@pytest.mark.parametrize(("convolution", "shape"), CONVOLUTIONS, ids=lambda value: str(value)[:40])
def test_a_firing_rate_of_one_is_the_dense_count(convolution, shape):
    ones = torch.ones(shape)
    spiking, dense = counted(convolution, ones, spikes=ones).totals, counted(convolution, ones).totals
    assert spiking["synops"] == spiking["acs_dense"] == dense["macs"]
    with torch.no_grad():  # every product, by multiplying ones with ones
        convolution.weight.fill_(1)
        expected = convolution(ones) - convolution(torch.zeros(shape))
    assert dense["macs"] == round(float(expected.double().sum()))


def test_a_causal_convolution_has_no_tap_before_the_first_position():
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    x, weight = torch.ones(2, 5, 3), torch.ones(3, 4)
    for reverse in (False, True):
        with Ledger(nn.Identity()) as ledger:
            out = causal_conv1d(x, weight, None, activation=None, valid_mask=mask, reverse=reverse)
        assert ledger.totals["macs"] == int(out.sum())


class Lookup(nn.Module):
    """A table of CLIP's size: 49,408 rows of 512 numbers, 101 MB."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(49408, 512, device="meta").to_empty(device="cpu")

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens)


def test_a_lookup_reads_its_rows_not_its_table():
    tokens = torch.arange(12).unsqueeze(0)
    ledger = counted(Lookup(), tokens)
    (record,) = [record for record in ledger.records if record.op == "aten.embedding"]
    row = 512 * 4
    assert (record.weight_bytes, record.table_bytes) == (12 * row, 49408 * row)
    made = energy_breakdown_pj(ledger, "memory_lemaire_new_sram")
    beyond = 1 - 8388608 / (49408 * row)  # the rows that the cache does not hold come from DRAM
    assert made["dram"] == pytest.approx(beyond * 12 * row / 8 * 1950)
    tokens_read = 12 * 8 / 4
    assert made["other_traffic"] == pytest.approx((2 * 12 * row / 4 + tokens_read) * 5)
    assert energy_pj(ledger, "memory_lemaire_new_sram") / 1e6 < 6  # µJ, not 22,784


def test_a_memory_costs_no_more_per_access_than_the_largest_that_was_measured():
    model = COST_MODELS["memory_lemaire_old_sram"]
    megabyte = 8 * 1048576
    assert model.access_pj(megabyte) == pytest.approx(13.2 + 1.09e-5 * megabyte)
    assert model.access_pj(100 * megabyte) == model.access_pj(megabyte)


def linear_layouts(layer: nn.Linear, x: Tensor) -> dict[str, object]:
    """One product with a bias, as it comes contiguous, transposed (torch: bmm and add), and by matmul."""
    return {
        "contiguous": lambda x: layer(x),
        "transposed": lambda x: layer(x.transpose(0, 1).contiguous().transpose(0, 1)),
        "matmul": lambda x: x @ layer.weight.t() + layer.bias,
    }


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("fires", [False, True])
@pytest.mark.parametrize("name", ["45nm_fp32", "loihi_keras_spiking", *TABLES])
def test_energy_does_not_depend_on_how_the_operands_lie(name, fires, gradient):
    torch.manual_seed(0)
    # torch expands the weight over the batch where it has no gradient, and copies the input where it has
    layer, x = nn.Linear(6, 5).requires_grad_(gradient), (torch.rand(4, 3, 6) < 0.5).float()
    found = set()
    for run in linear_layouts(layer, x).values():
        with torch.no_grad(), Ledger(layer) as ledger:
            if fires:
                ledger.mark_spikes(x)
            run(x)
        records = [record for record in ledger.records if record.counts]
        found.add(round(sum(energy_pj(type(ledger).__mro__[1]([record]), name) for record in records), 3))
        assert sum(record.weight_bytes for record in records) == 4 * (6 * 5 + 5)
    assert len(found) == 1


def test_the_weight_may_stand_on_either_side():
    weight, x = nn.Parameter(torch.rand(5, 6)), torch.rand(6, 3)
    model = nn.ParameterList([weight])
    left = counted(model, run=lambda: weight @ x)
    right = counted(model, run=lambda: x.t() @ weight.t())
    assert [r.dense_in for r in left.records if "mac" in r.counts] == [18]
    assert energy_pj(left, TABLES[0]) == energy_pj(right, TABLES[0])


@pytest.mark.parametrize("name", COST_MODELS)
def test_a_batch_costs_what_its_samples_do(name):
    """Spikes, dense products, norms and sums: three samples at once, told so, cost what they cost one at a time."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 40), nn.LayerNorm(40), nn.ReLU(), nn.Linear(40, 3)).eval()
    x = torch.rand(3, 6)
    whole = counted(model, x)
    whole.batch_size = 3
    parts = sum(energy_pj(counted(model, x[i : i + 1]), name) for i in range(3))
    assert energy_pj(whole, name) == pytest.approx(parts)


def test_a_sum_of_spikes_counts_as_its_samples_do():
    spikes = torch.tensor([[[1.0, 1.0]], [[1.0, 0.0]], [[1.0, 0.0]]])  # (T, B, C): the first fires always, then once
    whole = counted(nn.Identity(), spikes=spikes, run=lambda: spikes.sum(0)).totals["add"]
    parts = []
    for c in range(2):
        one = spikes[..., c : c + 1].clone()
        parts.append(counted(nn.Identity(), spikes=one, run=lambda one=one: one.sum(0)).totals["add"])
    assert whole == sum(parts) == 2 + 1


def test_expanded_operands_are_read_once():
    x, weight = torch.rand(3, 2, 4).transpose(0, 1), nn.Parameter(torch.rand(5, 4), requires_grad=False)
    ledger = counted(nn.ParameterList([weight]), run=lambda: F.linear(x, weight))
    (product,) = [record for record in ledger.records if "mac" in record.counts]
    assert (product.op, product.weight_bytes) == ("aten.bmm", 5 * 4 * 4)
