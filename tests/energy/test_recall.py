"""A linear layer that is looked up leaves the records that its operations would leave."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from snnvtg.energy import Ledger
from snnvtg.neurons import LIF, LIFParameters


class Seen(nn.Linear):
    """A linear layer whose operations are always looked at: only nn.Linear itself is looked up."""


def records(network: nn.Module, x: torch.Tensor, spikes: bool = False):
    with torch.no_grad(), Ledger(network) as ledger:
        if spikes:
            ledger.mark_spikes(x)
        network(x)
        network(x)
    return [replace(record, shared=False, _key=None, _row=None) for record in ledger.records]


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
    network = nn.Sequential(LIF(LIFParameters()), nn.ReLU(), nn.Linear(6, 4), nn.Linear(4, 3))
    seen = nn.Sequential(LIF(LIFParameters()), nn.ReLU(), Seen(6, 4), Seen(4, 3))
    x = 2 * torch.rand(4, 2, 6)
    seen.load_state_dict(network.state_dict())
    assert records(network, x) == records(seen, x)
    last = records(network, x)[-1]
    assert last.num_timesteps == 4


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


def test_another_counter_inside_the_block_sees_it_as_well():
    layer, x = nn.Linear(6, 4), torch.rand(5, 6)
    records(layer, x)
    with torch.no_grad(), Ledger(layer) as ledger, FlopCounterMode(display=False) as flops:
        layer(x)
    assert flops.get_total_flops() == 2 * 120
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
