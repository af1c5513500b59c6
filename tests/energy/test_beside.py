"""Other counters beside the ledger on networks that others bring: every difference has a place and a reason."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from snnvtg.energy.beside import compare_counters
from snnvtg.energy.beside.comparison import comparison_section
from snnvtg.neurons import LIF

NETWORKS = Path(__file__).parents[2] / "experiments" / "networks.py"
pytest.importorskip("spikingjelly.activation_based.op_counter")


@pytest.fixture(scope="module")
def networks():
    spec = importlib.util.spec_from_file_location("users_networks", NETWORKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Mixed(nn.Module):
    """A convolution with padding on dense input, spikes, spikes times a constant, binary dense input, a weight of 0."""

    def __init__(self):
        super().__init__()
        self.conv, self.lif = nn.Conv2d(2, 3, 3, padding=1), LIF()
        self.on_spikes, self.on_scaled, self.on_binary = nn.Linear(12, 4), nn.Linear(12, 4), nn.Linear(4, 2)
        with torch.no_grad():
            self.on_spikes.weight[0, :3] = 0

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.lif(6 * self.conv(x), num_timesteps=1).flatten(2)
        binary = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
        return self.on_spikes(spikes) + self.on_scaled(0.5 * spikes) + self.on_binary(binary).sum()


def mixed():
    torch.manual_seed(0)
    return Mixed().eval(), [torch.randn(1, 2, 2, 2)]


def differences(comparison, quantity: str) -> dict[str, str]:
    return comparison.table(quantity).set_index("layer")["difference"].to_dict()


def test_every_difference_has_its_reason():
    model, inputs = mixed()
    made, _ = compare_counters(model, inputs, model)
    spikingjelly = made[0]
    assert (spikingjelly.tool, spikingjelly.unexplained("synops"), spikingjelly.unexplained("macs")) == (
        "SpikingJelly",
        0,
        0,
    )
    on_padding = 3 * 4 * 2 * 9 - 3 * 2 * 4 * 4  # of 9 taps at each of 2 × 2 positions 4 meet an entry
    macs, synops = differences(spikingjelly, "macs"), differences(spikingjelly, "synops")
    assert macs["conv"] == f"+{on_padding} taps on the zero padding"
    assert macs["on_binary"] == "-8 an operand of zeros and ones that is no spike tensor"
    assert synops["on_binary"] == "+6 an operand of zeros and ones that is no spike tensor"
    assert synops["on_spikes"] == "none"
    with torch.no_grad():
        fired = int(model.lif(6 * model.conv(inputs[0]), num_timesteps=1).sum())
    assert synops["on_scaled"] == f"-{4 * fired} spikes times a constant, which it takes for values"
    assert macs["on_scaled"] == "+48 spikes times a constant, which it takes for values"


def test_neurobenchs_differences_have_theirs():
    pytest.importorskip("neurobench", reason="NeuroBench is not installed; tests/energy/independent_tools.py says how")
    model, inputs = mixed()
    made, _ = compare_counters(model, inputs, model)
    neurobench = made[1]
    assert (neurobench.unexplained("synops"), neurobench.unexplained("macs")) == (0, 0)
    assert "weights of 0 skipped" in differences(neurobench, "synops")["on_spikes"]
    assert "which it takes for values" in differences(neurobench, "synops")["on_scaled"]


@pytest.mark.parametrize("name", ["snntorch_loop", "recurrent"])
def test_time_loops_are_explained_to_the_last_operation(networks, name):
    pytest.importorskip("snntorch")
    model, inputs = getattr(networks, name)()
    made, reasons = compare_counters(model, inputs[:1], model)
    for comparison in made:
        assert (comparison.unexplained("synops"), comparison.unexplained("macs")) == (0, 0)
        assert comparison.total["synops"] > 0
    text = comparison_section(made, reasons)
    assert "SpikingJelly: synaptic operations" in text
    assert "not explained: 0)" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spiking_resnet", "sew_resnet", "sew_resnet_iand", "spikformer"])
def test_spikingjellys_networks_are_explained_to_the_last_operation(networks, name, monkeypatch):
    for stub in ("torchvision", "torchvision.models", "torchvision.models.utils"):
        if stub not in sys.modules:
            monkeypatch.delitem(sys.modules, stub, raising=False)
    model, inputs = getattr(networks, name)()
    made, _ = compare_counters(model, inputs, model)
    for comparison in made:
        assert (comparison.unexplained("synops"), comparison.unexplained("macs")) == (0, 0)
        assert comparison.total["synops"] > 0


def test_a_tool_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurobench.metrics.workload", None)
    model, inputs = mixed()
    made, reasons = compare_counters(model, inputs, model)
    assert [comparison.tool for comparison in made] == ["SpikingJelly"]
    assert reasons[0].startswith("NeuroBench: not installed")
