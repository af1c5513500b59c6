"""Work that hides: fused layers, sparse and complex numbers, scripts, nested ledgers; and how much may hide."""

import pytest
import torch
from torch import Tensor, nn

from snnvtg.energy import Ledger, LedgerWarning
from snnvtg.energy.bounds import most_operations
from snnvtg.neurons import LIF

SPIKES = (torch.rand(5, 3, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
KINDS = ("synops", "macs_dense", "mul", "add", "exp", "div", "compare")


def totals(model: nn.Module, x: Tensor, *, spiking: bool = False) -> dict[str, int]:
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        if spiking:
            ledger.mark_spikes(x, num_timesteps=len(x))
        model(x)
    assert ledger.coverage == 1
    return {kind: ledger.totals[kind] for kind in KINDS}


@pytest.mark.parametrize("spiking", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(6, 4),
        lambda: nn.LSTM(6, 4, num_layers=2, bidirectional=True),
        lambda: nn.LSTM(6, 4, bias=False),
        lambda: nn.LSTM(6, 4, batch_first=True),
    ],
)
def test_a_fused_lstm_counts_as_the_one_written_out(make, spiking):
    """float32 runs as one operation of oneDNN's, float64 gate by gate."""
    fused, written_out = make(), make().double()
    assert totals(fused, SPIKES.clone(), spiking=spiking) == totals(written_out, SPIKES.double(), spiking=spiking)


def test_a_gru_is_counted_gate_by_gate():
    made = totals(nn.GRU(6, 4), SPIKES)
    assert made["macs_dense"] == 5 * 3 * 3 * 4 * (6 + 4)


@pytest.mark.parametrize("spiking", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.TransformerEncoderLayer(6, 2, 12, batch_first=True),
        lambda: nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, norm_first=True, activation="gelu"),
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), 2),
    ],
)
def test_transformers_fast_path_counts_as_the_slow_one(make, spiking):
    model = make().eval()
    fast = totals(model, SPIKES, spiking=spiking)
    with torch.enable_grad(), Ledger(model, strict=True) as ledger:  # gradients keep torch from its fast path
        if spiking:
            ledger.mark_spikes(SPIKES, num_timesteps=5)
        model(SPIKES)
    assert fast == {kind: ledger.totals[kind] for kind in KINDS}
    assert (fast["synops"] > 0) == (spiking and not getattr(model, "norm_first", False))
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_multi_head_attentions_projections_are_driven_by_spikes():
    model = nn.MultiheadAttention(6, 2, batch_first=True).eval()
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        ledger.mark_spikes(SPIKES, num_timesteps=5)
        model(SPIKES, SPIKES, SPIKES)
    assert ledger.totals["synops"] == int(SPIKES.sum()) * 3 * 6
    assert ledger.totals["macs_dense"] == 15 * 6 * 18 + 5 * 2 * 3 * 3 * (3 + 3) + 15 * 6 * 6


def test_a_sparse_matrix_costs_what_it_stores():
    matrix = torch.zeros(4, 6)
    matrix[0, 1] = matrix[2, 3] = matrix[3, 5] = 2.0
    for sparse in (matrix.to_sparse(), matrix.to_sparse_csr()):
        with torch.no_grad(), Ledger(nn.Identity(), strict=True) as ledger:
            sparse @ torch.rand(6, 5)
        assert ledger.totals["macs"] == 3 * 5


def test_spikes_made_sparse_drive_a_product():
    with torch.no_grad(), Ledger(model := nn.Sequential(LIF()), strict=True) as ledger:
        spikes = model(SPIKES * 2).flatten(0, 1)
        spikes.to_sparse() @ torch.rand(6, 5)
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (int(spikes.sum()) * 5, 0)


def test_complex_numbers_count_in_real_operations():
    z = torch.rand(4, 4, dtype=torch.complex64)
    with torch.no_grad(), Ledger(nn.Identity(), strict=True) as ledger:
        z @ z
        z * z
        z + z
    assert (ledger.totals["macs"], ledger.totals["mul"], ledger.totals["add"]) == (4 * 64, 4 * 16, (2 + 2) * 16)


def test_a_fourier_transform_is_n_log_n():
    with torch.no_grad(), Ledger(nn.Identity(), strict=True) as ledger:
        torch.fft.fft(torch.rand(3, 8, dtype=torch.complex64))
    butterflies = 3 * 8 // 2 * 3
    assert (ledger.totals["mul"], ledger.totals["add"]) == (4 * butterflies, 6 * butterflies)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_counts_as_it_was_written():
    written = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)).eval()
    scripted = torch.jit.script(written)
    for _ in range(3):  # the interpreter optimises after a while
        assert totals(scripted, SPIKES) == totals(written, SPIKES)


def test_nested_ledgers_count_each_by_itself():
    model = nn.Sequential(LIF(), nn.Linear(6, 5))
    with torch.no_grad(), Ledger(model, strict=True) as outer:
        model(SPIKES * 2)
        with Ledger(model, strict=True) as inner:
            model(SPIKES * 2)
    assert inner.totals["neuron_updates"] == SPIKES.numel()
    assert {k: 2 * n for k, n in inner.totals.items()} == outer.totals


def test_nested_ledgers_keep_a_training_steps_gradients():
    model = nn.Sequential(nn.Linear(6, 6), LIF(), nn.Linear(6, 5))
    model(SPIKES).sum().backward()
    expected = model[0].weight.grad.clone()
    model.zero_grad()
    with Ledger(model) as outer, Ledger(model) as inner:
        model(SPIKES).sum().backward()
    torch.testing.assert_close(model[0].weight.grad, expected)
    assert inner.backward_totals == outer.backward_totals
    assert inner.backward_totals["macs"] > 0


def test_a_rule_is_registered_from_outside():
    """As with fvcore's handles: the operator's name and a function."""

    def rule(call) -> dict:
        return {"exp": (call.numel, call.numel)}

    with torch.no_grad(), Ledger(nn.Identity(), strict=True, rules={"lgamma": rule}) as ledger:
        torch.lgamma(SPIKES)
    assert ledger.totals["exp"] == SPIKES.numel()
    ledger = Ledger(nn.Identity(), strict=True)
    ledger.register(torch.ops.aten.lgamma, None)
    with torch.no_grad(), ledger:
        torch.lgamma(SPIKES)
    assert (ledger.unpriced, ledger.totals["exp"]) == ({}, 0)
    with torch.no_grad(), Ledger(nn.Identity()) as other:
        torch.lgamma(SPIKES)
    assert other.unpriced == {"aten.lgamma": 1}


def test_a_custom_operators_rule_goes_by_its_namespace():
    library = torch.library.Library("snnvtgtest", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CPU")
    for operator in (torch.ops.snnvtgtest.twice, "snnvtgtest::twice"):
        rule = {operator: lambda call: {"mul": (call.numel, call.numel)}}
        with torch.no_grad(), Ledger(nn.Identity(), strict=True, rules=rule) as ledger:
            torch.ops.snnvtgtest.twice(SPIKES)
        assert ledger.totals["mul"] == SPIKES.numel()


def test_coverage_is_a_share_of_work_and_says_who_hides_how_much():
    """A product of 10 × 20 × 30 counted, beside an operator without a rule that reads 8 × 8 and writes 8 × 8."""
    with torch.no_grad(), Ledger(nn.Identity()) as ledger:
        torch.rand(10, 20) @ torch.rand(20, 30)
        drawn = ledger.work - 6000
        torch.linalg.matrix_exp(torch.rand(8, 8))
    bound = 64 * 64
    assert ledger.hidden == {"aten.linalg_matrix_exp": pytest.approx(bound / (6000 + drawn + 64 + bound))}
    assert ledger.coverage == pytest.approx(1 - ledger.hidden["aten.linalg_matrix_exp"])


@pytest.mark.parametrize(
    ("operands", "out", "work"),
    [
        ([(10, 20), (20, 30)], (10, 30), 10 * 20 * 30),
        ([(2, 3, 9, 9), (4, 3, 3, 3)], (2, 4, 7, 7), 2 * 4 * 7 * 7 * 27),
        ([(5, 3, 6), (16, 6), (16, 4)], (5, 3, 4), 15 * (16 * 6 + 16 * 4)),
        ([(8, 8)], (8, 8), 8**3),
    ],
)
def test_the_bound_of_an_unknown_operation_is_one(operands, out, work):
    """A product, a convolution, a recurrent layer, an inverse: each at most the bound of its shapes."""
    assert most_operations([torch.empty(s) for s in operands], [torch.empty(out)], pointwise=False) >= work


def test_the_bound_of_an_element_wise_operation_is_its_entries():
    with torch.no_grad(), Ledger(nn.Identity()) as ledger:
        torch.lgamma(torch.ones(7, 3))
    (record,) = [r for r in ledger.records if not r.priced]
    assert record.hidden == 21


def test_a_second_ledger_reads_and_warns_as_the_first():
    """What one ledger has seen another looks up: the counts and the findings are the same."""

    class Compares(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear((x > 0.5).float())

    model, found = nn.Sequential(Compares()), []
    for _ in range(2):
        with torch.no_grad(), pytest.warns(LedgerWarning, match="Compares"), Ledger(model) as ledger:
            model(SPIKES)
        found.append(ledger.totals)
    assert found[0] == found[1]


def test_memory_does_not_grow_with_the_number_of_batches():
    model = nn.Sequential(LIF(), *[nn.Linear(6, 6) for _ in range(4)])
    with torch.no_grad(), Ledger(model) as ledger:
        for _ in range(900):
            model(SPIKES * 2)
    assert len(ledger.records) < 4096
    with torch.no_grad(), Ledger(model) as once:
        model(SPIKES * 2)
    assert ledger.totals == {kind: 900 * count for kind, count in once.totals.items()}


def test_living_tensors_do_not_slow_an_operation():
    """Marks lie on the storages: nothing is searched, however many tensors live."""
    model = nn.Sequential(LIF())
    with torch.no_grad(), Ledger(model) as ledger:
        alive = [model(SPIKES * 2) for _ in range(50)]
        assert not any(isinstance(v, dict | list) and len(v) >= 50 for v in vars(ledger.provenance).values())
        del alive
