"""Case C of the energy design, and the accounting of the other leaf operations."""

import pytest
import torch
from torch import nn

from snnvtg.energy import Ledger
from snnvtg.neurons import LIF
from snnvtg.scan import ScanInputs, available_backends, bidirectional_selective_scan, causal_conv1d, selective_scan

B, D, L, N = 1, 8, 16, 4


def inputs(batch=B) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "u": torch.randn(batch, L, D),
        "delta": torch.rand(batch, L, D),
        "A": -torch.rand(D, N),
        "B": torch.randn(batch, L, N),
        "C": torch.randn(batch, L, N),
        "D": torch.ones(D),
    }


def count(function, *args, **kwargs) -> dict[str, int]:
    with Ledger(nn.Identity(), strict=True) as ledger:
        function(*args, **kwargs)
    return {
        kind: n for kind, n in ledger.totals.items() if n and kind in ("mul", "add", "exp", "log", "div", "compare")
    }


def test_case_c():
    made = count(selective_scan, **inputs(), delta_softplus=False)
    assert made == {"mul": 4 * B * L * D * N + 2 * B * L * D, "add": 2 * B * L * D * N, "exp": B * L * D * N}
    assert made == {"mul": 2304, "add": 1024, "exp": 512}


@pytest.mark.parametrize("backend", [name for name, reasons in available_backends().items() if reasons is None])
def test_every_backend_counts_the_same(backend):
    assert count(selective_scan, **inputs(), backend=backend) == count(selective_scan, **inputs())


def test_softplus_bias_and_gate_are_counted_beside_the_scan():
    made = count(selective_scan, **inputs(), delta_bias=torch.zeros(D), z=torch.randn(B, L, D), delta_softplus=True)
    flat = B * L * D
    softplus = {"exp": flat, "add": flat, "log": flat, "compare": flat}
    gate = {"exp": flat, "add": flat, "div": flat, "mul": flat}
    assert made == {
        "mul": 2304 + gate["mul"],
        "add": 1024 + flat + softplus["add"] + gate["add"],
        "exp": 512 + softplus["exp"] + gate["exp"],
        "log": softplus["log"],
        "compare": softplus["compare"],
        "div": gate["div"],
    }


def test_without_skip_there_is_one_product_and_one_add_less_an_entry():
    made = count(selective_scan, **{**inputs(), "D": None}, delta_softplus=False)
    assert made == {"mul": 2304 - L * D, "add": 1024 - L * D, "exp": 512}


def test_invalid_positions_are_no_work():
    mask = torch.arange(L).expand(3, L) < torch.tensor([[16], [5], [9]])
    made = count(selective_scan, **inputs(3), delta_softplus=False, valid_mask=mask)
    valid = 16 + 5 + 9
    assert made == {"mul": valid * (4 * D * N + 2 * D), "add": valid * 2 * D * N, "exp": valid * D * N}


def test_both_directions_are_two_scans_and_a_sum():
    one = ScanInputs(**inputs(), delta_softplus=False)
    assert count(bidirectional_selective_scan, one, one) == {"mul": 4608, "add": 2048 + L * D, "exp": 1024}


def test_causal_convolution_has_a_mac_a_tap():
    with Ledger(nn.Identity(), strict=True) as ledger:
        causal_conv1d(torch.randn(2, L, D), torch.randn(D, 4), torch.zeros(D), activation=None)
    assert (ledger.totals["macs"], ledger.totals["add"]) == (2 * D * (4 * L - 3 - 2 - 1), 2 * L * D)


def test_direct_encoding_reads_its_current_once_and_updates_every_step():
    layer = nn.Sequential(nn.Linear(5, 3), LIF())
    with torch.no_grad(), Ledger(layer, strict=True) as ledger:
        layer[1](layer[0](torch.randn(2, 5)) + 2, num_timesteps=7)
    assert (ledger.totals["macs"], ledger.totals["neuron_updates"]) == (2 * 5 * 3, 7 * 2 * 3)


def test_a_mean_inside_the_neuron_costs_what_it_costs_outside():
    layer, current = LIF(), torch.randn(2, 50, generator=torch.Generator().manual_seed(0)) * 2
    with torch.no_grad(), Ledger(layer, strict=True) as outside:
        layer(current, num_timesteps=4).mean(0)
    with torch.no_grad(), Ledger(layer, strict=True) as inside:
        layer(current, num_timesteps=4, reduction="mean")
    assert inside.totals["add"] > inside.totals["neuron_updates"]
    assert [inside.totals[k] for k in ("mul", "add", "compare")] == [
        outside.totals[k] for k in ("mul", "add", "compare")
    ]
