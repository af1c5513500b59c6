"""A linear layer that is looked up leaves the records that its operations would leave."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from snnvtg.energy import Ledger
from snnvtg.energy.findings import LedgerWarning
from snnvtg.neurons import LIF, LIFParameters


class Seen(nn.Linear):
    """A linear layer whose operations are always looked at: only nn.Linear itself is looked up."""


def records(network: nn.Module, x: torch.Tensor, spikes: bool = False):
    with torch.no_grad(), Ledger(network) as ledger:
        if spikes:
            ledger.mark_spikes(x)
        network(x)
        network(x)
    return [replace(record, shared=False) for record in ledger.records]


def pair(bias: bool, second: nn.Module | None = None) -> tuple[nn.Module, nn.Module]:
    return tuple(nn.Sequential(kind(6, 4, bias=bias), second or nn.ReLU(), kind(4, 3)) for kind in (nn.Linear, Seen))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 5, 6), (2, 1, 5, 6), (0, 6), (1, 6)])
def test_the_records_are_those_of_its_operations(shape, bias):
    plain, seen = pair(bias)
    assert records(plain, torch.rand(shape)) == records(seen, torch.rand(shape))


def test_a_transposed_input_is_looked_at():
    plain, seen = pair(True)
    x = torch.rand(6, 5, 2).transpose(0, 2)
    assert records(plain, x) == records(seen, x)


def test_spikes_are_counted_every_time():
    plain, seen = pair(True)
    few, many = torch.zeros(5, 6), torch.ones(5, 6)
    few[0, 0] = 1
    for x, spikes in ((few, 1), (many, 30)):
        made = records(plain, x, spikes=True)
        assert made == records(seen, x, spikes=True)
        assert made[0].counts["ac"][0] == 4 * spikes


def test_time_steps_and_the_end_of_spikes_pass_through_it():
    network = nn.Sequential(LIF(LIFParameters()), nn.Sigmoid(), nn.Linear(6, 4), nn.Linear(4, 3))
    seen = nn.Sequential(LIF(LIFParameters()), nn.Sigmoid(), Seen(6, 4), Seen(4, 3))
    x = 2 * torch.rand(4, 2, 6)
    seen.load_state_dict(network.state_dict())
    assert records(network, x) == records(seen, x)
    last = records(network, x)[-1]
    assert last.num_timesteps == 4


def test_numbers_from_elsewhere_are_told_apart():
    layer, x = nn.Linear(6, 4), 2 * torch.rand(4, 2, 6)
    first = records(nn.Sequential(nn.Identity(), layer), x)[-1]
    second = records(nn.Sequential(nn.Sequential(LIF(LIFParameters()), nn.Sigmoid()), layer), x)[-1]
    assert (first.module, second.module) == ("1", "1")
    assert (first.num_timesteps, second.num_timesteps) == (1, 4)
    assert (first.dense_since, second.dense_since) == ("", "sigmoid in 0.1, from 0.0")


class Compares(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x > 0.5).float()


def test_a_comparison_that_drives_it_is_found_by_every_ledger():
    network = nn.Sequential(Compares(), nn.Linear(6, 4))
    for _ in range(2):
        with pytest.warns(LedgerWarning, match="Compares"), torch.no_grad(), Ledger(network):
            network(torch.rand(5, 6))


def test_an_expanded_weight_is_read_once():
    layer, x = nn.Linear(6, 4, bias=False), torch.rand(5, 6)
    records(layer, x)
    layer.weight = nn.Parameter(torch.rand(4, 1).expand(4, 6))
    assert [r.weight_bytes for r in records(layer, x)] == [16, 16]


def test_another_weight_is_another_record():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    before = records(layer, x)
    layer.weight, layer.bias = nn.Parameter(torch.rand(9, 6)), nn.Parameter(torch.rand(9))
    assert [r.counts["mac"][0] for r in before + records(layer, x)] == [120, 120, 270, 270]
    assert [r.width for r in records(layer.double(), x.double())] == [64, 64]


def test_what_a_hook_computes_is_counted():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    assert [r.op for r in records(layer, x)] == ["aten.addmm"] * 2
    layer.register_forward_hook(lambda module, args, out: out.exp())
    assert [r.op for r in records(layer, x)] == ["aten.addmm", "aten.exp"] * 2


class Names(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_another_counter_inside_the_block_sees_it_as_well():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    records(layer, x)
    with torch.no_grad(), Ledger(layer) as ledger, Names() as inner:
        layer(x)
    assert "addmm" in inner.names
    assert ledger.totals["macs"] == 120


def test_nested_ledgers_both_count_it():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    records(layer, x)
    with torch.no_grad(), Ledger(layer) as outer, Ledger(layer) as inner:
        layer(x)
    assert outer.totals["macs"] == inner.totals["macs"] == 120


def test_a_rule_of_ones_own_is_used():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    records(layer, x)
    with torch.no_grad(), Ledger(layer, rules={"addmm": lambda call: {"mac": (7, 7)}}) as ledger:
        layer(x)
    assert ledger.totals["macs"] == 7


def test_it_goes_by_the_name_it_has():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    named = [records(network, x)[-1].module for network in (layer, nn.Sequential(nn.Identity(), layer))]
    assert named == ["", "1"]


def test_lower_precision_is_looked_at():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    records(layer, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert records(layer, x)[-1].width == 16


def test_a_training_step_counts_alike_before_and_after():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)

    def step() -> list:
        layer.zero_grad(set_to_none=True)
        with Ledger(layer) as ledger:
            layer(x).sum().backward()
        return [(r.op, r.phase, r.counts, r.num_timesteps) for r in ledger.records]

    before = step()
    records(layer, x)
    assert step() == before
