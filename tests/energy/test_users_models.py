"""The ledger on models that are not ours: an MLP written with snnTorch, a plain CNN with a LIF layer in it."""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from snnvtg.energy import Ledger, energy_pj
from snnvtg.energy.crosscheck import FVCORE_HANDLES, leaf_ops_in_traces
from snnvtg.neurons import LIF
from snnvtg.scan import causal_conv1d, selective_scan

snntorch = pytest.importorskip("snntorch")


class SnnTorchMLP(nn.Module):
    """Case A as a user of snnTorch writes it: a loop over time, the state in the neurons."""

    def __init__(self, case_a):
        super().__init__()
        # snnTorch multiplies by beta before the input and resets one step late; it fires above the threshold, not at it
        neuron = {"beta": 0.5, "threshold": 0.9 - 1e-6, "reset_mechanism": "zero", "reset_delay": True}
        self.linear_1, self.leaky_1 = nn.Linear(6, 4), snntorch.Leaky(**neuron, init_hidden=False)
        self.linear_2, self.leaky_2 = nn.Linear(4, 3, bias=False), snntorch.Leaky(**neuron, init_hidden=False)
        with torch.no_grad():
            self.linear_1.weight.copy_(case_a.weight_1)
            self.linear_1.bias.copy_(case_a.bias_1)
            self.linear_2.weight.copy_(case_a.weight_2)

    def forward(self, x: Tensor) -> Tensor:
        mem_1, mem_2, out = self.leaky_1.reset_mem(), self.leaky_2.reset_mem(), []
        for step in x:
            spikes, mem_1 = self.leaky_1(self.linear_1(step), mem_1)
            spikes, mem_2 = self.leaky_2(self.linear_2(spikes), mem_2)
            out.append(spikes)
        return torch.stack(out)


@torch.no_grad()
def test_case_a_written_with_snntorch(case_a):
    model, ours = SnnTorchMLP(case_a), case_a.network()
    with Ledger(model, strict=True) as ledger:
        ledger.mark_spikes(case_a.input)
        out = model(case_a.input)
    with Ledger(ours, strict=True) as reference:
        reference.mark_spikes(case_a.input)
        ours(case_a.input)
    assert out.sum() == 7
    for name in ("synops", "macs", "acs_dense", "neuron_updates", "spike_bias_adds", "mul", "add", "compare", "select"):
        assert ledger.totals[name] == reference.totals[name], name
    assert ledger.totals["synops"] == 137
    assert energy_pj(ledger, "loihi_keras_spiking") == pytest.approx(8248.7)
    assert {record.module for record in ledger.records if record.op == "lif"} == {"leaky_1", "leaky_2"}


class SmallCNN(nn.Module):
    """A torchvision-style stem: conv, batch norm, ReLU, pool; then a LIF over T repeats, a convolution, a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.pool, self.lif = nn.MaxPool2d(2), LIF()
        self.conv, self.head = nn.Conv2d(8, 4, 3, bias=False), nn.Linear(4, 10)

    def forward(self, image: Tensor, num_timesteps: int = 3) -> Tensor:
        spikes = self.lif(self.pool(self.stem(image)), num_timesteps=num_timesteps)
        maps = self.conv(spikes.flatten(0, 1))
        return self.head(maps.mean((2, 3)).unflatten(0, (num_timesteps, -1)).mean(0))


STEM = 2 * 8 * 3 * (3 * 8 - 2) ** 2
"""products of 3 × 3 windows over 8 × 8 entries, each row and column short of two taps on the padding"""


@torch.no_grad()
def test_a_plain_cnn_with_a_lif_layer():
    torch.manual_seed(0)
    model, image = SmallCNN().eval(), torch.randn(2, 3, 8, 8)
    with Ledger(model, strict=True) as ledger:
        model(image)
    by_module = {record.module: record.counts for record in ledger.records if {"mac", "ac"} & set(record.counts)}
    spikes = model.lif(model.pool(model.stem(image)), num_timesteps=3)
    ones = nn.functional.conv2d(spikes.flatten(0, 1), torch.ones(4, 8, 3, 3))
    assert 0 < spikes.sum() < spikes.numel()
    assert by_module["stem.0"] == {"mac": (STEM, STEM)}
    assert by_module["conv"] == {"ac": (int(ones.sum()), 3 * 2 * 4 * 2 * 2 * 8 * 9)}
    assert by_module["head"]["mac"] == (2 * 4 * 10, 2 * 4 * 10)
    assert ledger.totals["neuron_updates"] == 3 * 2 * 8 * 4 * 4
    # ReLU, then 2 × 2 maxima of 3 comparisons each, then the neurons' thresholds
    assert ledger.totals["compare"] == 2 * 8 * 64 + 2 * 8 * 16 * 3 + ledger.totals["neuron_updates"]


def test_a_training_step_keeps_forward_and_backward_apart():
    torch.manual_seed(0)
    model, image = SmallCNN().train(), torch.randn(2, 3, 8, 8)
    with Ledger(model, strict=True) as ledger:
        model(image).square().sum().backward()
    forward, backward = ledger.totals, ledger.backward_totals
    # the stem sees no gradient of its input: its weight's only; the convolution behind the LIF both
    stem, conv, head = STEM, forward["acs_dense"], 80
    assert forward["macs"] == stem + head
    assert backward["macs"] + backward["acs_dense"] == stem + 2 * conv + 2 * head
    assert ledger.coverage == 1


class UsersScanModel(nn.Module):
    """A model of a user's with our leaf operations in it: LIF, causal convolution, scan, and torch's own attention."""

    def __init__(self):
        super().__init__()
        self.proj, self.lif = nn.Linear(6, 8), LIF()
        self.taps, self.decay = nn.Parameter(torch.rand(8, 4)), nn.Parameter(-torch.rand(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        u = causal_conv1d(self.lif(self.proj(x), num_timesteps=2).mean(0), self.taps, None)
        y = selective_scan(u, u, self.decay, u[..., :4], u[..., 4:], None)
        heads = y.unflatten(-1, (2, 4)).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads)


@torch.no_grad()
def test_fvcores_handles_on_a_users_model():
    """B = 2, L = 5: Linear 6 → 8, 4 taps of 8 channels, 2 heads of 4 over 5 × 5 pairs; the scan and LIF hold no MAC."""
    torch.manual_seed(0)
    model, x = UsersScanModel().eval(), torch.rand(2, 5, 6)
    with leaf_ops_in_traces():
        analysis = FlopCountAnalysis(model, x).set_op_handle(**FVCORE_HANDLES)
        found = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    assert found == {"linear": 2 * 5 * 6 * 8, "causal_conv1d": 2 * 5 * 8 * 4, "attention": 2 * 2 * 5 * 5 * (4 + 4)}
    with Ledger(model, strict=True) as ledger:
        model(x)
    before_the_first = 2 * 8 * (3 + 2 + 1)  # taps of the three first positions that lie on no position
    assert ledger.totals["macs_dense"] == sum(found.values()) - before_the_first
