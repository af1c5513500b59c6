"""Dense and quantised twins of networks that others bring, against counts by hand."""

import pytest
import torch
from torch import Tensor, nn

from snnvtg.energy import energy_pj
from snnvtg.energy.costs import COST_MODELS
from snnvtg.energy.report_tables import layers_table
from snnvtg.energy.twin_counts import accuracies, count_with_twin, steps_of
from snnvtg.energy.twins import REGISTERED, dense_twin, quantised_twin, quantised_twin_pj, register
from snnvtg.neurons import LIF, LIFParameters

snn = pytest.importorskip("snntorch")
INPUTS, HIDDEN, OUTPUTS, T = 12, 8, 3, 5


class Loop(nn.Module):
    """snnTorch's usual shape: a loop over time that repeats the input, states handed on by hand."""

    def __init__(self, recurrent: bool = False, vary: bool = False):
        super().__init__()
        self.recurrent, self.vary = recurrent, vary
        self.fc1, self.fc2 = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, OUTPUTS, bias=False)
        self.lif1 = snn.RLeaky(beta=0.9, linear_features=HIDDEN) if recurrent else snn.Leaky(beta=0.9)
        self.lif2 = snn.Leaky(beta=0.9)

    def forward(self, x: Tensor) -> Tensor:
        state = self.lif1.init_rleaky() if self.recurrent else (self.lif1.init_leaky(),)
        mem, out = self.lif2.init_leaky(), []
        for step in range(T):
            spikes, *rest = self.lif1(self.fc1(x * (step + 1) if self.vary else x), *state)
            state = (spikes, *rest) if self.recurrent else rest
            fired, mem = self.lif2(self.fc2(spikes), mem)
            out.append(fired)
        return torch.stack(out)


SPIKING = {snn.Leaky: 0, snn.RLeaky: 0}


def counted(model: nn.Module, x: Tensor | None = None):
    torch.manual_seed(0)
    x = torch.rand(1, INPUTS) * 2 if x is None else x
    return count_with_twin(model.eval(), [x, x * 2], spiking=SPIKING)


def network(**options) -> Loop:
    torch.manual_seed(1)
    return Loop(**options)


def test_the_dense_twin_of_a_repeated_input_runs_once():
    """ReLU has a comparison per neuron; each layer is multiplied once, not at each of the T steps."""
    found = counted(network())
    per_query = found.dense.mean
    assert found.num_timesteps == T == steps_of(found.spiking, 2)
    assert per_query["macs"] == INPUTS * HIDDEN + HIDDEN * OUTPUTS
    assert (per_query["compare"], per_query["synops"], per_query["neuron_updates"]) == (HIDDEN + OUTPUTS, 0, 0)


@pytest.mark.parametrize("options", [{"vary": True}, {"recurrent": True}])
def test_the_dense_twin_of_an_input_that_changes_runs_every_step(options):
    recurrent = T * HIDDEN * HIDDEN if options.get("recurrent") else 0
    assert counted(network(**options)).dense.mean["macs"] == T * (INPUTS * HIDDEN + HIDDEN * OUTPUTS) + recurrent


@torch.no_grad()
def test_the_dense_twin_computes_relu_with_the_same_weights():
    model, x = network(), torch.rand(2, INPUTS)
    out = dense_twin(model, SPIKING)(x)
    expected = torch.relu(model.fc2(torch.relu(model.fc1(x))))
    torch.testing.assert_close(out, expected.expand(T, -1, -1))


@torch.no_grad()
def test_the_recurrent_twin_feeds_its_rate_back():
    model, x = network(recurrent=True), torch.rand(2, INPUTS)
    out = dense_twin(model, SPIKING)(x)
    h = torch.zeros(2, HIDDEN)
    for step in range(T):
        h = torch.relu(model.fc1(x) + model.lif1.recurrent(h))
        torch.testing.assert_close(out[step], torch.relu(model.fc2(h)))


def test_a_twin_leaves_the_network_as_it_was():
    model, x = network(), torch.rand(1, INPUTS) * 2
    with torch.no_grad():
        before = model(x)
        counted(model, x)
        assert torch.equal(model(x), before)
    assert {type(module) for module in model.modules()} & set(SPIKING)


class Steps(nn.Module):
    """Our LIF layers, T steps on the leading axis; `repeats` says which part makes T of one."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, OUTPUTS, bias=False)
        self.lif1, self.lif2 = LIF(LIFParameters()), LIF(LIFParameters())

    def forward(self, x: Tensor) -> Tensor:
        return self.lif2(self.fc2(self.lif1(self.fc1(x), num_timesteps=T)))


def test_steps_on_an_axis_are_run_once_too():
    found = counted(Steps())
    assert found.spiking.mean["neuron_updates"] == T * (HIDDEN + OUTPUTS)
    assert found.dense.mean["macs"] == INPUTS * HIDDEN + HIDDEN * OUTPUTS


def test_frames_that_differ_are_each_run():
    class Frames(Steps):
        def forward(self, x: Tensor) -> Tensor:
            return self.lif2(self.fc2(self.lif1(self.fc1(x))))

    frames = torch.rand(T, 1, INPUTS)
    assert counted(Frames(), frames).dense.mean["macs"] == T * (INPUTS * HIDDEN + HIDDEN * OUTPUTS)
    still = frames[:1].expand(T, -1, -1)
    assert counted(Frames(), still).dense.mean["macs"] == INPUTS * HIDDEN + HIDDEN * OUTPUTS


def test_one_input_that_changes_keeps_the_whole_network_in_time():
    """A branch that sees the same at every step is not told apart from one that happens to."""

    class Branches(Steps):
        def __init__(self):
            super().__init__()
            self.fc3 = nn.Linear(HIDDEN, OUTPUTS)

        def forward(self, still: Tensor, frames: Tensor) -> Tensor:
            steady = self.lif1(self.fc1(still), num_timesteps=T)
            return self.fc2(steady) + self.fc3(self.lif2(self.fc1(frames)))

    torch.manual_seed(0)
    inputs = (torch.rand(1, INPUTS), torch.rand(T, 1, INPUTS))
    found = count_with_twin(Branches().eval(), [inputs])
    assert found.dense.mean["macs"] == (1 + T) * INPUTS * HIDDEN + 2 * T * HIDDEN * OUTPUTS


class Attention(nn.Module):
    """A part that is more than its neurons."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(INPUTS, INPUTS), LIF(LIFParameters())

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.fc(x), num_timesteps=T).mean(0)


class WithItsTwin(Attention):
    def dense_twin(self) -> nn.Module:
        return nn.Sequential(self.fc, nn.Softmax(-1))


def test_a_module_brings_its_twin_by_a_method_or_by_registration(monkeypatch):
    x = torch.rand(2, INPUTS)
    for made in (WithItsTwin(), Attention()):
        if type(made) is Attention:
            monkeypatch.setitem(REGISTERED, Attention, None)
            register(Attention, lambda module: nn.Sequential(module.fc, nn.Softmax(-1)))
        twin = dense_twin(nn.Sequential(made, nn.Linear(INPUTS, 2)))
        torch.testing.assert_close(twin[0](x), made.fc(x).softmax(-1))
    found = count_with_twin(nn.Sequential(WithItsTwin()), [x])
    assert "0.fc" in found.parts  # dense input, but all of the part is quantised
    assert "0.fc" not in count_with_twin(nn.Sequential(nn.Linear(INPUTS, 2)), [x]).parts


@pytest.mark.parametrize("name", ["45nm_fp32", "45nm_int8", "seneca", "spinnaker_keras_spiking"])
def test_the_quantised_twin_is_taken_per_product(name):
    """T = 5, b = 3: layer 2, which spikes drive, at 3 accumulates or a MAC, whichever is less; layer 1 stays dense."""
    found, model = counted(network()), COST_MODELS[name]
    host = getattr(model, "host", model)
    mac, ac = host.pj["mac"], min(host.pj["ac"], model.pj.get("synop", host.pj["ac"]))
    saved = 2 * HIDDEN * OUTPUTS * max(mac - 3 * ac, 0)
    dense = energy_pj(found.dense, name)
    assert quantised_twin_pj(found.dense, found.parts, T, name) == pytest.approx(dense - saved)


def test_the_quantised_twins_memory_has_b_bit_words():
    """3 bits of 32 in weights, input and output of layer 2; 3 accumulates of 0.1 pJ instead of 3.2; biases stay."""
    found = counted(network())
    dense = energy_pj(found.dense, "memory_lemaire_new_sram")
    products = 2 * HIDDEN * OUTPUTS
    words = products + 2 * HIDDEN + 2 * OUTPUTS
    saved = products * (3.2 - 3 * 0.1) + words * 5 * (1 - 3 / 32)
    assert quantised_twin_pj(found.dense, found.parts, T, "memory_lemaire_new_sram") == pytest.approx(dense - saved)


@torch.no_grad()
def test_the_quantised_twin_computes_at_b_bits():
    model, x = network(), torch.rand(4, INPUTS)
    found = counted(model)
    narrow = quantised_twin(dense_twin(model, SPIKING), found.parts, T)
    levels = torch.unique(narrow.fc2.weight[0] / narrow.fc2.weight[0].abs().max())
    assert len(levels) <= 2 * 3 + 1  # −3 … 3 of 3 bits
    assert torch.equal(narrow.fc1.weight, model.fc1.weight)
    rates = narrow.lif1(narrow.fc1(x), None)[0]
    assert len(torch.unique(rates)) <= T + 1


def test_the_quantised_twin_learns_through_its_rounding():
    model, x = network(), torch.rand(4, INPUTS)
    narrow = quantised_twin(dense_twin(model, SPIKING), counted(model).parts, T)
    narrow(x).sum().backward()
    weight = narrow.fc2.parametrizations.weight.original
    assert weight.grad.abs().sum() > 0
    assert narrow.fc1.weight.grad.abs().sum() > 0


def test_twins_are_converted_and_where_asked_for_trained_from_a_new_network():
    model, made = network(), []

    def train(twin_of) -> nn.Module:
        made.append(twin_of(network()))
        with torch.no_grad():
            made[-1].fc1.weight.zero_()
        return made[-1]

    @torch.no_grad()
    def evaluate(m: nn.Module) -> float:
        return float(m(torch.ones(1, INPUTS)).detach().sum())

    found = counted(model)
    scores = accuracies(model, found, evaluate, train=train, spiking=SPIKING)
    assert {name: list(score) for name, score in scores.items()} == {
        "spiking": ["trained"],
        "dense twin": ["converted", "trained"],
        "quantised twin": ["converted", "trained"],
    }
    assert [hasattr(twin.fc2, "parametrizations") for twin in made] == [False, True]
    assert scores["dense twin"]["converted"] == evaluate(dense_twin(model, SPIKING))
    assert scores["dense twin"]["trained"] != scores["dense twin"]["converted"]
    assert "trained" not in accuracies(model, found, evaluate, spiking=SPIKING)["dense twin"]


def test_layers_say_rate_driver_steps_and_bytes():
    table = layers_table(counted(network())).set_index("layer")
    assert table["num_timesteps"].drop("everything else", errors="ignore").eq(T).all()
    assert table.loc["fc1", "driven_by"] == "dense input"
    assert table.loc["fc2", "driven_by"].startswith("spikes")
    assert table.loc["fc2", "firing_rate"] == pytest.approx(table.loc["lif1", "firing_rate"])
    assert table.loc["fc2", "synops"] == pytest.approx(table.loc["fc2", "firing_rate"] * table.loc["fc2", "dense"])
    assert table.loc["fc2", "weight_bytes"] == 4 * HIDDEN * OUTPUTS * T
