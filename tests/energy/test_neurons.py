"""Neurons of other libraries are found, with their own updates and synapses; what is missed is said in one line."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from snnvtg.energy import Ledger, LedgerWarning, NeuronKind, UntrackedNeuronError, spiking
from snnvtg.energy.neurons import LIBRARIES, kind_of

OUT = 5


def current(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 2


class Behind(nn.Module):
    """neuron → Linear: products behind it show whether its spikes were found."""

    def __init__(self, neuron: nn.Module, width: int = 6, pick=lambda out: out):
        super().__init__()
        self.neuron, self.linear, self.pick = neuron, nn.Linear(width, OUT, bias=False), pick

    def forward(self, x: Tensor) -> Tensor:
        self.spikes = self.pick(self.neuron(x))
        return self.linear(self.spikes)


def watched(model: nn.Module, *inputs: Tensor, **options) -> Ledger:
    torch.manual_seed(0)
    with torch.no_grad(), Ledger(model, strict=True, **options) as ledger:
        for x in inputs:
            model(x)
    return ledger


def products(ledger: Ledger, module: str = "linear") -> list[dict]:
    return [r.counts for r in ledger.records if r.module == module and {"mac", "ac"} & set(r.counts)]


SNNTORCH = {
    "Leaky": ({"beta": 0.9}, {"mul": 1, "add": 1, "compare": 1, "select": 1}),
    "Lapicque": ({"beta": 0.9}, {"mul": 2, "add": 1, "compare": 1, "select": 1}),
    "Synaptic": ({"alpha": 0.9, "beta": 0.8}, {"mul": 2, "add": 2, "compare": 1, "select": 1}),
    "Alpha": ({"alpha": 0.9, "beta": 0.8}, {"mul": 3, "add": 3, "compare": 1, "select": 1}),
}


@pytest.mark.parametrize("name", SNNTORCH)
def test_snntorch_neurons(name):
    snntorch = pytest.importorskip("snntorch")
    options, update = SNNTORCH[name]
    model = Behind(getattr(snntorch, name)(**options, threshold=0.1, init_hidden=True))
    spikes, ledger = 0, watched(model, *(current(3, 6) for _ in range(3)))
    (neuron,) = {r.op for r in ledger.records if r.module == "neuron"}
    assert neuron == "lif"
    spikes = sum(r.spikes_out for r in ledger.records if r.op == "lif")
    assert spikes > 0
    assert ledger.totals["synops"] == spikes * OUT
    assert ledger.totals["macs"] == 0
    assert {k: ledger.totals[f"neuron_{k}"] for k in update} == {k: n * 3 * 3 * 6 for k, n in update.items()}
    assert {r.driven_by for r in ledger.records if "ac" in r.counts} == {"neuron"}


def test_a_recurrent_neurons_synapses_are_counted():
    """RLeaky: its own spikes of the step before select rows of its recurrent weights."""
    snntorch = pytest.importorskip("snntorch")
    torch.manual_seed(1)
    model = Behind(snntorch.RLeaky(0.9, linear_features=6, threshold=0.1, init_hidden=True))
    steps = [current(3, 6) for _ in range(4)]
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        fired = []
        for x in steps:
            model(x)
            fired.append(int(model.spikes.sum()))
    inside = [r for r in ledger.records if r.module == "neuron.recurrent"]
    assert inside[0].counts["mac"] == (3 * 6 * 6,) * 2  # no spikes before the first step: zeros, like any dense input
    assert [r.counts["ac"][0] for r in inside[1:]] == [n * 6 for n in fired[:-1]]
    assert ledger.totals["synops"] == sum(fired) * OUT + sum(fired[:-1]) * 6


def test_a_spiking_lstms_gates_are_products_and_its_update_a_formula():
    snntorch = pytest.importorskip("snntorch")
    model = Behind(snntorch.SLSTM(4, 6, threshold=0.01, init_hidden=True))
    ledger = watched(model, current(3, 4))
    inside = sum(r.counts["mac"][1] for r in ledger.records if r.module == "neuron.lstm_cell" and "mac" in r.counts)
    assert inside == 3 * (4 + 6) * 4 * 6
    assert ledger.totals["neuron_exp"] == 5 * 3 * 6


SPIKINGJELLY = {
    "IFNode": {"add": 1, "compare": 1, "select": 1},
    "LIFNode": {"mul": 1, "add": 1, "compare": 1, "select": 1},
    "ParametricLIFNode": {"mul": 1, "add": 1, "compare": 1, "select": 1},
    "EIFNode": {"mul": 4, "add": 5, "exp": 1, "compare": 1, "select": 1},
    "QIFNode": {"mul": 3, "add": 4, "compare": 1, "select": 1},
    "IzhikevichNode": {"mul": 5, "add": 8, "compare": 1, "select": 2},
    "KLIFNode": {"mul": 2, "add": 1, "compare": 2, "select": 1},
}


def node_of(name: str):
    """SpikingJelly's neurons, where this version has the one of that name."""
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    if not hasattr(neuron, name):
        pytest.skip(f"this SpikingJelly has no {name}")
    return neuron


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("name", SPIKINGJELLY)
def test_spikingjelly_neurons(name, mode):
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    node = getattr(neuron, name)(v_threshold=0.2, step_mode=mode)
    model = Behind(node)
    x = current(4, 3, 6) * 10
    ledger = watched(model, *(x if mode == "s" else [x]))
    (updates,) = {r.op for r in ledger.records if r.module == "neuron"}
    fired = sum(r.spikes_out for r in ledger.records if r.op == updates == "lif")
    assert fired > 0
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (fired * OUT, 0)
    assert {k: ledger.totals[f"neuron_{k}"] for k in SPIKINGJELLY[name]} == {
        k: n * 4 * 3 * 6 for k, n in SPIKINGJELLY[name].items()
    }
    steps = {r.num_timesteps for r in ledger.records if "ac" in r.counts}
    assert steps == {4 if mode == "m" else 1}


def test_a_parallel_neuron_multiplies_over_time():
    neuron = node_of("PSN")
    torch.manual_seed(0)
    ledger = watched(Behind(neuron.PSN(T=4)), current(4, 3, 6))
    (inside,) = products(ledger, "neuron")
    assert inside["mac"] == (4 * 4 * 3 * 6,) * 2
    assert ledger.totals["neuron_compare"] == 4 * 3 * 6


def test_a_neuron_that_returns_potentials_makes_no_spikes():
    neuron = node_of("NonSpikingLIFNode")
    first, second = neuron.IFNode(v_threshold=0.2, step_mode="m"), neuron.NonSpikingLIFNode(2.0, decode="last_mem")
    ledger = watched(nn.Sequential(first, nn.Linear(6, 6), second, nn.Linear(6, OUT, bias=False)), current(2, 3, 6))
    assert [name for r in products(ledger, "1") for name in r if name == "ac"] == ["ac"]
    (record,) = [r for r in ledger.records if r.module == "3"]
    assert record.counts["mac"] == (3 * 6 * OUT,) * 2
    assert record.dense_since == "the output of 2, which is no spikes"


def test_ternary_spikes_select_with_a_sign():
    neuron = node_of("TernaryIFNode")
    model = Behind(neuron.TernaryIFNode(v_threshold=0.5), pick=lambda s: s.abs().neg())
    ledger = watched(model, current(3, 6))
    assert (model.spikes < 0).any()
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (int(model.spikes.count_nonzero()) * OUT, 0)


def test_neurons_in_a_list_and_subclasses_are_found():
    snntorch = pytest.importorskip("snntorch")

    class Mine(snntorch.Leaky):
        pass

    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.neurons, self.linear = [Mine(0.9, threshold=0.1, init_hidden=True)], nn.Linear(6, OUT, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.neurons[0](x))

    ledger = watched(Listed(), current(3, 6))
    assert ledger.totals["synops"] > 0
    assert [r.module for r in ledger.records if r.op == "lif"] == ["Mine"]


class Threshold(nn.Module):
    """A neuron as anybody writes it."""

    def forward(self, x: Tensor):
        return {"potential": x, "spikes": (x > 0.5).float()}


def threshold(output: str = "spikes") -> Behind:
    return Behind(type("Handwritten", (Threshold,), {})(), pick=lambda out: out[output])


def test_a_hand_written_neuron_is_named_in_one_line():
    model = threshold()
    ledger = watched(model, current(3, 6), spiking={type(model.neuron): "spikes"})
    assert ledger.totals["synops"] == int(model.spikes.sum()) * OUT
    ledger = watched(model, current(3, 6), spiking={type(model.neuron): 1})
    assert ledger.totals["synops"] == int(model.spikes.sum()) * OUT


def test_a_hand_written_neuron_is_decorated_in_one_line():
    @spiking(output="spikes", update={"add": 2, "compare": 1})
    class Decorated(Threshold):
        pass

    model = Behind(Decorated(), pick=lambda out: out["spikes"])
    ledger = watched(model, current(3, 6))
    assert ledger.totals["synops"] == int(model.spikes.sum()) * OUT
    assert ledger.totals["neuron_add"] == 2 * 3 * 6


def test_a_neuron_nobody_named_is_a_warning_and_an_error_under_strict():
    model = threshold()
    warned = pytest.warns(
        LedgerWarning, match=r"'neuron' \(Handwritten\) compares numbers and the result drives products"
    )
    with torch.no_grad(), warned, Ledger(model) as ledger:
        model(current(3, 6))
    assert (ledger.totals["synops"], ledger.totals["macs"]) == (0, 3 * 6 * OUT)
    with pytest.raises(UntrackedNeuronError, match="Handwritten"):
        watched(model, current(3, 6))


def test_a_class_that_was_named_and_never_ran_is_an_error_under_strict():
    with pytest.raises(UntrackedNeuronError, match="Threshold: a neuron that never ran"):
        watched(nn.Linear(6, 2), current(3, 6), spiking={Threshold: 1})


def test_a_known_neuron_whose_forward_is_called_behind_its_back_is_an_error_under_strict():
    snntorch = pytest.importorskip("snntorch")

    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.neuron = snntorch.Leaky(0.9, init_hidden=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.neuron.forward(x)

    with pytest.raises(UntrackedNeuronError, match="Leaky: a neuron that never ran"):
        watched(Around(), current(3, 6))


def test_a_subclass_that_returns_no_spikes_is_not_believed():
    """A class of which only the base is known has to compare something: its output is followed."""
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")

    class Leaks(neuron.BaseNode):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    model = Behind(Leaks())
    warned = pytest.warns(LedgerWarning, match="no spikes were found in what Leaks returns")
    with torch.no_grad(), warned, Ledger(model) as ledger:
        model(current(3, 6))
    assert ledger.totals["synops"] == 0


def test_a_dense_network_is_no_finding():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with torch.no_grad(), Ledger(model := nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))):
            model(current(3, 6))


def test_graded_spikes_are_scaled_and_graded_by_channel_dense():
    snntorch = pytest.importorskip("snntorch")
    one = snntorch.Leaky(0.9, threshold=0.1, graded_spikes_factor=0.5, init_hidden=True)
    assert watched(Behind(one), current(3, 6)).totals["synops"] > 0
    each = snntorch.Leaky(0.9, threshold=0.1, graded_spikes_factor=torch.linspace(0.1, 1, 6), init_hidden=True)
    with pytest.raises(UntrackedNeuronError, match="no spikes were found"):
        watched(Behind(each), current(3, 6))


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_library_is_imported_to_know_its_neurons(library):
    """A class of that name in a module of that library is enough."""
    for name, kind in LIBRARIES[library].items():
        stranger = type(name, (nn.Module,), {"__module__": f"{library}.somewhere"})
        assert kind_of(type("Sub", (stranger,), {}), {}) is kind
        assert kind_of(type(name, (nn.Module,), {"__module__": "mylibrary"}), {}) is None


def test_a_kind_can_be_given_whole():
    model = threshold()
    kind = NeuronKind(output="spikes", update={"compare": 1}, num_states=0)
    ledger = watched(model, current(3, 6), spiking={type(model.neuron): kind})
    assert {k: n for k, n in ledger.totals.items() if k.startswith("neuron_")} == {
        "neuron_updates": 18,
        "neuron_compare": 18,
    }
