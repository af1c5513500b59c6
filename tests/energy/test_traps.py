"""Where counters that look at values go wrong; here a spike is what a LIF layer made."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from snnvtg.energy import Ledger, LedgerWarning, UnpricedOperationError
from snnvtg.models.spikemba import SpikeMba
from snnvtg.neurons import LIF


class Between(nn.Module):
    """LIF → `middle` → Linear(6, 5, no bias)."""

    def __init__(self, middle):
        super().__init__()
        self.lif, self.middle, self.linear = LIF(), middle, nn.Linear(6, 5, bias=False)

    def forward(self, current: Tensor) -> Tensor:
        return self.linear(self.middle(self.lif(current)))


CURRENT = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0)) * 2


def counted(middle, current=CURRENT) -> dict[str, int]:
    with torch.no_grad(), Ledger(model := Between(middle), strict=True) as ledger:
        model(current)
    return ledger.totals


def spikes() -> Tensor:
    with torch.no_grad():
        return LIF()(CURRENT)


SPIKES, PAIRS = int(spikes().sum()), 4 * 3 * 6 * 5


def test_the_current_makes_some_neurons_fire_and_not_others():
    assert 0 < SPIKES < 72


@pytest.mark.parametrize(
    "middle",
    [
        nn.Identity(),
        lambda s: s * 0.5,  # one constant folds into the weights
        lambda s: s / 2,
        lambda s: s.transpose(0, 1).contiguous().transpose(0, 1),
        lambda s: s.reshape(2, 6, 6).unflatten(0, (2, 1)).flatten(0, 1),
        lambda s: torch.cat([s[:2], s[2:]]),
        lambda s: torch.stack(s.unbind(0)),
        lambda s: s.clone().to(torch.float64).float(),
        lambda s: nn.functional.pad(s, (0, 0, 0, 2)),
        lambda s: s[:, torch.tensor([2, 0, 1])],
        lambda s: torch.cat([s[:2] * 0.5, s[2:] / 2]),  # the same constant
        lambda s: s + 0.0,
    ],
)
def test_spikes_stay_spikes_on_their_way(middle):
    totals = counted(middle)
    assert (totals["synops"], totals["macs"]) == (SPIKES * 5, 0)


@pytest.mark.parametrize(
    "middle",
    [
        lambda s: s * (torch.arange(3) < 2).unsqueeze(-1).float(),
        lambda s: s.masked_fill(~(torch.arange(3) < 2).unsqueeze(-1), 0),
        lambda s: s.masked_fill(~(torch.arange(3) < 2).unsqueeze(-1), 0.0),
        lambda s: torch.where((torch.arange(3) < 2).unsqueeze(-1), s, 0),
        lambda s: torch.where((torch.arange(3) < 2).unsqueeze(-1), s, torch.zeros_like(s)),
        lambda s: s[:, :2],
    ],
)
def test_masked_spikes_count_what_the_mask_leaves(middle):
    totals = counted(middle)
    assert (totals["synops"], totals["macs"]) == (int(spikes()[:, :2].sum()) * 5, 0)


@pytest.mark.parametrize(
    "middle",
    [
        lambda s: s.mean(0),  # rates
        lambda s: s.sum(0),  # integers
        lambda s: s + s,
        lambda s: 1 - s,
        lambda s: nn.functional.avg_pool1d(s, 3, 1, 1),
        lambda s: s * torch.ones(6),  # a gain a channel: values, though all of them are 1
        lambda s: torch.cat([s, torch.ones(4, 1, 6)], 1),
        lambda s: torch.stack([step * 0.5**t for t, step in enumerate(s)]),  # a constant a step: graded values
        lambda s: torch.cat([s, s * 0.5], 1),
        lambda s: torch.zeros(3, 3, 6).index_put((torch.tensor([0, 0, 1, 2]),), s, accumulate=True),
    ],
)
def test_what_is_made_of_spikes_and_is_none_costs_macs(middle):
    totals = counted(middle)
    assert totals["synops"] == 0
    assert totals["macs"] == middle(spikes()).numel() * 5


def test_an_all_zero_dense_input_costs_its_dense_macs():
    with Ledger(model := nn.Linear(6, 5), strict=True) as ledger:
        model(torch.zeros(7, 6))
    assert (ledger.totals["macs"], ledger.totals["synops"]) == (7 * 6 * 5, 0)


def test_a_silent_network_has_spike_driven_layers_without_synops():
    warned = pytest.warns(LedgerWarning, match="nothing spiked")
    with torch.no_grad(), warned, Ledger(model := Between(nn.Identity())) as ledger:
        model(torch.full((4, 3, 6), -1.0))
    totals = ledger.totals
    assert (totals["synops"], totals["acs_dense"], totals["macs"]) == (0, PAIRS, 0)
    assert totals["neuron_updates"] == 72


def test_dropout_between_keeps_spikes_and_counts_the_survivors():
    torch.manual_seed(0)
    model = Between(nn.Dropout(0.5)).train()
    survivors = []
    model.middle.register_forward_hook(lambda _, __, out: survivors.append(out.detach().clone()))
    with Ledger(model, strict=True) as ledger:
        model(CURRENT)
    left = int((survivors[0] != 0).sum())
    assert 0 < left < SPIKES
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (left * 5, 0)
    assert ledger.totals["random"] == 72


def test_the_fused_dropout_of_a_gpu_keeps_spikes_too():
    torch.manual_seed(0)
    survivors = []

    def dropped(s: Tensor) -> Tensor:
        survivors.append(torch.native_dropout(s, 0.5, True)[0])
        return survivors[0]

    totals = counted(dropped)
    left = int((survivors[0] != 0).sum())
    assert 0 < left < SPIKES
    assert (totals["synops"], totals["macs"]) == (left * 5, 0)


def test_dropout_costs_nothing_in_evaluation():
    model = Between(nn.Dropout(0.5)).eval()
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        model(CURRENT)
    assert (ledger.totals["synops"], ledger.totals["random"]) == (SPIKES * 5, 0)


@torch.no_grad()
def test_a_batch_of_one_and_a_batch_without_its_axis_count_alike():
    model = Between(nn.Identity())
    with Ledger(model, strict=True) as alone:
        model(CURRENT[:, :1])
    with Ledger(model, strict=True) as bare:
        model(CURRENT[:, 0])
    spikes_of_one = int(spikes()[:, 0].sum())
    for ledger in (alone, bare):
        assert (ledger.totals["synops"], ledger.totals["acs_dense"]) == (spikes_of_one * 5, 4 * 6 * 5)
        assert ledger.totals["neuron_updates"] == 4 * 6


def test_overwriting_a_spike_tensor_ends_its_provenance():
    totals = counted(lambda s: s.add_(0.25))
    assert (totals["synops"], totals["macs"]) == (0, PAIRS)


def test_scaling_some_of_a_spike_tensor_in_place_ends_its_provenance():
    def damped(s: Tensor) -> Tensor:
        s[0].mul_(0.5)
        return s

    totals = counted(damped)
    assert (totals["synops"], totals["macs"]) == (0, PAIRS)


def test_a_buffer_filled_with_spikes_is_spikes():
    def copied(s: Tensor) -> Tensor:
        buffer = torch.zeros(4, 3, 6)
        for t in range(4):
            buffer[t] = s[t]
        return buffer

    assert counted(copied)["synops"] == SPIKES * 5


def test_memory_used_again_is_not_taken_for_spikes():
    model, linear = Between(nn.Identity()), nn.Linear(6, 5, bias=False)
    with torch.no_grad(), Ledger(nn.ModuleList([model, linear]), strict=True) as ledger:
        for _ in range(20):
            model(CURRENT)
            linear(torch.rand(4, 3, 6))
    assert ledger.totals["macs"] == 20 * PAIRS


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradient_modes_count_alike(mode):
    with mode(), Ledger(model := Between(nn.Identity()), strict=True) as ledger:
        model(CURRENT)
    assert (ledger.totals["synops"], ledger.totals["neuron_updates"]) == (SPIKES * 5, 72)


def test_bfloat16_counts_alike_at_half_the_width():
    model = Between(nn.Identity()).to(torch.bfloat16)
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        spiking = model.lif(CURRENT.to(torch.bfloat16))
        model.linear(spiking)
    (product,) = (r for r in ledger.records if "ac" in r.counts)
    assert product.counts["ac"] == (int(spiking.sum()) * 5, PAIRS)
    assert (product.width, product.weight_bytes) == (16, 6 * 5 * 2)


@pytest.fixture
def spikemba(tiny) -> SpikeMba:
    torch.manual_seed(0)
    return SpikeMba(tiny, 6, 5).eval()


@torch.no_grad()
def test_padding_is_no_work_and_batch_size_does_not_matter(spikemba, make_batch):
    batched = Ledger.per_query(spikemba, [make_batch()], strict=True)
    alone = [Ledger.per_query(spikemba, [make_batch([i])], strict=True) for i in range(3)]
    assert batched.queries == [account.queries[0] for account in alone]
    assert batched.totals["synops"] == sum(account.totals["synops"] for account in alone)
    assert batched.mean["macs"] * 3 == batched.totals["macs"]
    with Ledger(spikemba) as padded:
        spikemba(make_batch())
    assert padded.totals["macs"] > batched.totals["macs"]


def test_an_unknown_operation_is_reported_and_stops_a_strict_ledger():
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.matrix_exp(x) + 1

    with Ledger(Odd()) as ledger:
        ledger.model(torch.eye(3))
    assert ledger.unpriced == {"aten.linalg_matrix_exp": 1}
    assert 0 < ledger.coverage < 1
    with pytest.raises(UnpricedOperationError, match="linalg_matrix_exp"), Ledger(Odd(), strict=True) as ledger:
        ledger.model(torch.eye(3))


class Hidden(nn.Module):
    """A kernel torch does not dispatch, here numpy's, as a Triton kernel or a binding of its own would be."""

    def __init__(self, read: bool):
        super().__init__()
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        out.numpy()[:] = np.exp(x.numpy())
        return out * 2 if self.read else out


@pytest.mark.parametrize("read", [True, False])
@torch.no_grad()
def test_a_kernel_that_torch_does_not_dispatch_lowers_the_coverage(read):
    with Ledger(model := Hidden(read)) as ledger:
        model(torch.rand(3))
    assert ledger.unpriced == {"a kernel that torch does not dispatch": 1}
    assert ledger.coverage < 1
    with pytest.raises(UnpricedOperationError, match="does not dispatch"), Ledger(model, strict=True) as ledger:
        model(torch.rand(3))


@torch.no_grad()
def test_memory_that_torch_fills_before_it_is_read_is_no_hidden_kernel():
    class Filled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            drawn, buffer = torch.empty_like(x).uniform_(), torch.empty(2, 3)
            buffer[0], buffer[1] = x, drawn
            return torch.cat([torch.empty(0, 3), buffer]) + torch.add(x, 1, out=torch.empty(3))

    with Ledger(model := Filled(), strict=True) as ledger:
        model(torch.rand(3))
    assert ledger.coverage == 1


@torch.no_grad()
def test_a_compiled_model_counts_as_it_was_written():
    model = Between(nn.Identity())
    compiled = torch.compile(model, backend="eager")
    with Ledger(model, strict=True) as ledger:
        compiled(CURRENT)
    assert (ledger.totals["synops"], ledger.totals["neuron_updates"]) == (SPIKES * 5, 72)
