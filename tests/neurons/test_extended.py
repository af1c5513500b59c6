"""Neurons beyond Eq. 4, worked out by hand, and beside snnTorch and SpikingJelly where those have them."""

from dataclasses import replace

import pytest
import torch

from snnvtg.errors import BackendError, InputError
from snnvtg.neurons import LIF, LIFParameters, LIFState, lif, lif_reference, register_surrogate
from snnvtg.neurons.surrogate import SURROGATES, spike


def train(currents, parameters, **options):
    spikes, _ = lif(torch.tensor(currents)[:, None], parameters, backend="reference", **options)
    return spikes.flatten().tolist()


def test_synaptic_current_adds_up_over_steps():
    # no memory in the potential; I: 0.6 | 0.3 + 0.6 = 0.9 | 0.45 + 0.6 = 1.05 fires | 0.525 + 0.6 fires
    assert train([0.6] * 4, LIFParameters(beta=0.0, synapse=0.5)) == [0, 0, 1, 1]


def test_threshold_rises_with_each_spike_and_decays():
    # th: 1, fires | 1.5 | 1.25 | 1.125, fires and adds 0.5 to A = 0.0625
    parameters = LIFParameters(beta=0.0, adaptation=0.5, adaptation_decay=0.5)
    assert train([1.2] * 4, parameters) == [1, 0, 0, 1]
    _, state = lif(torch.full((4, 1), 1.2), parameters, backend="reference")
    assert state.adaptation.item() == 0.0625 + 0.5


def test_refractory_neuron_holds_its_state_and_hears_nothing():
    parameters = LIFParameters(reset="soft", refractory=2)
    x = torch.full((5, 1), 1.5)
    spikes, state, potential = lif(x, parameters, return_potential=True, backend="reference")
    # U 1.5 fires, H = 0.5 (1.5 - 1) = 0.25, held for two steps; then U = 1.75 fires, H = 0.375
    assert spikes.flatten().tolist() == [1, 0, 0, 1, 0]
    assert potential.flatten().tolist() == [1.5, 0.25, 0.25, 1.75, 0.375]
    assert state.refractory.item() == 1 and state.v.item() == 0.375


def test_recurrent_weights_carry_a_spike_from_one_neuron_to_the_other():
    x = torch.zeros(4, 2)
    x[0, 0] = 1
    forward = torch.tensor([[0.0, 0.0], [1.0, 0.0]])  # from neuron 0 to neuron 1
    spikes, _ = lif(x, LIFParameters(beta=0.0), recurrent=forward, backend="reference")
    assert spikes.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    spikes, _ = lif(x, LIFParameters(beta=0.0), recurrent=torch.ones(2), backend="reference")
    assert spikes.tolist() == [[1, 0]] * 4


EVERYTHING = LIFParameters(beta=0.7, synapse=0.6, adaptation=0.3, refractory=1, detach_reset=False)


def test_state_handed_on_continues_as_if_never_interrupted():
    x, weight = torch.randn(9, 3, 5) + 0.5, 0.3 * torch.randn(5, 5)
    whole, end = lif(x, EVERYTHING, recurrent=weight, backend="reference")
    first, state = lif(x[:4], EVERYTHING, recurrent=weight, backend="reference")
    second, last = lif(x[4:], EVERYTHING, v=state, recurrent=weight, backend="reference")
    assert isinstance(state, LIFState) and torch.equal(torch.cat([first, second]), whole)
    assert all(torch.equal(a, b) for a, b in zip(end, last, strict=True))


def test_truncation_is_the_gradient_of_chunks():
    def gradients(parameters, chunks, **options):
        x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0)).add(0.4).requires_grad_()
        state, total = None, 0.0
        for chunk in x.split(chunks):
            state = state if state is None else LIFState(*(None if p is None else p.detach() for p in state))
            spikes, state = lif(chunk, parameters, v=state, backend="reference")
            total = total + spikes.square().sum()
        return torch.autograd.grad(total, x)[0]

    assert torch.equal(gradients(replace(EVERYTHING, truncate=3), 7), gradients(EVERYTHING, 3))
    assert not torch.equal(gradients(EVERYTHING, 7), gradients(EVERYTHING, 3))


@pytest.mark.parametrize("backend", ["reference", "torch", "fused"])
def test_truncation_of_one_step_leaves_the_own_slope_only(backend):
    x = torch.full((3, 1), 0.25, requires_grad=True)
    spikes, _ = lif(x, LIFParameters(truncate=1), backend=backend)
    spikes.sum().backward()
    u = torch.tensor([0.25, 0.375, 0.4375])  # U = 0.25 + U / 2
    torch.testing.assert_close(x.grad.flatten(), 1 / (1 + (torch.pi * (u - 1)) ** 2))


def test_synaptic_current_equals_snntorch():
    snntorch = pytest.importorskip("snntorch")
    x = torch.randn(12, 6, dtype=torch.float64)
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    # without a reset both are the same filter; snnTorch's reset takes the new input with it
    parameters = LIFParameters(beta=0.8, synapse=0.6, v_threshold=50.0)
    *_, potential = lif(mine, parameters, return_potential=True, backend="reference")
    alpha, beta = torch.tensor([0.6, 0.8], dtype=torch.float64)
    layer = snntorch.Synaptic(alpha=alpha, beta=beta, threshold=50.0)
    syn = mem = torch.zeros(6, dtype=torch.float64)
    trace = []
    for step in theirs:
        _, syn, mem = layer(step, syn, mem)
        trace.append(mem)
    torch.testing.assert_close(potential, torch.stack(trace))
    potential.square().sum().backward()
    torch.stack(trace).square().sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_recurrence_equals_spikingjelly():
    pytest.importorskip("spikingjelly.activation_based.functional")
    from spikingjelly.activation_based import layer, neuron, surrogate

    inner = neuron.LIFNode(2.0, decay_input=False, v_reset=0.0, surrogate_function=surrogate.ATan(), detach_reset=True)
    theirs = layer.LinearRecurrentContainer(inner, in_features=5, out_features=5, bias=False)
    x = torch.randn(8, 3, 5) + 0.7
    with torch.no_grad():
        theirs.rc.weight[:, :5] = torch.eye(5)  # it is one matrix for the input and the spikes before
    weight = theirs.rc.weight[:, 5:].detach().clone().requires_grad_()
    expected = torch.stack([theirs(step) for step in x])
    spikes, _ = lif(x, recurrent=weight, backend="reference")
    assert torch.equal(spikes, expected)
    spikes.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(weight.grad, theirs.rc.weight.grad[:, 5:])


@pytest.mark.parametrize("backend", ["fused", "torch", "spikingjelly"])
def test_sigmoid_beta_equals_spikingjellys_parametric_lif(backend):
    pytest.importorskip("spikingjelly.activation_based.functional")
    from spikingjelly.activation_based import neuron, surrogate

    parametric = {"init_tau": 2.5, "decay_input": False, "v_reset": 0.0, "surrogate_function": surrogate.ATan()}
    theirs = neuron.ParametricLIFNode(**parametric, detach_reset=True, step_mode="m")
    layer = LIF(LIFParameters(beta=0.6, learn_beta=True, beta_form="sigmoid"), backend=backend)
    assert layer.leak.item() == pytest.approx(1 - 1 / 2.5) and "beta" not in layer.state_dict()
    x = torch.randn(6, 50) + 0.3
    mine, expected = layer(x), theirs(x)
    assert torch.equal(mine, expected)
    mine.square().sum().backward()
    expected.square().sum().backward()
    # 1 / tau = sigmoid(w) there, beta = sigmoid(w') here: w' = -w
    torch.testing.assert_close(layer.beta_logit.grad, -theirs.w.grad, rtol=1e-4, atol=1e-5)


@pytest.fixture
def triangle():
    register_surrogate("triangle", lambda x, alpha: (1 - alpha * x.abs()).clamp_min(0))
    yield LIFParameters(surrogate="triangle", surrogate_alpha=0.5)
    del SURROGATES["triangle"]


def test_a_surrogate_of_ones_own_is_used_and_refused_by_the_kernels(triangle):
    x = torch.tensor([[0.5]], requires_grad=True)
    with pytest.warns(UserWarning, match="'torch' on cpu, because fused: its kernels do not know the surrogate"):
        lif(x, triangle)[0].sum().backward()
    assert x.grad.item() == 1 - 0.5 * 0.5
    with pytest.raises(BackendError, match="'triangle', which is your own"):
        lif(x, triangle, backend="fused")
    with pytest.raises(InputError, match="the name is taken"):
        register_surrogate("atan", torch.zeros_like)


@pytest.mark.parametrize("backend", ["fused", "torch", "snntorch", "spikingjelly"])
@pytest.mark.parametrize(
    "change, part",
    [
        ({"synapse": 0.5}, "a synaptic current"),
        ({"adaptation": 0.1}, "an adaptive threshold"),
        ({"refractory": 1}, "a refractory period"),
    ],
)
def test_others_refuse_what_only_the_reference_runs(backend, change, part):
    with pytest.raises(BackendError, match=f"knows nothing of {part}"):
        LIF(LIFParameters(**change), backend=backend)


def test_auto_passes_over_those_that_refuse_and_says_so():
    layer = LIF(LIFParameters(synapse=0.5))
    with pytest.warns(UserWarning, match="'reference' on cpu, because fused: .*synaptic current"):
        layer(torch.ones(2, 3))
    assert layer.active_backend == "reference"


def test_module_learns_recurrent_weights_and_values_per_neuron():
    parameters = LIFParameters(learn_beta=True, learn_threshold=True)
    layer = LIF(parameters, num_channels=(4, 5), recurrent=5, backend="reference")
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        "beta": (4, 5),
        "v_threshold": (4, 5),
        "recurrent": (5, 5),
    }
    spikes, state, potential = layer(torch.rand(6, 3, 4, 5), return_state=True, return_potential=True)
    assert spikes.shape == potential.shape == (6, 3, 4, 5) and state.v.shape == (3, 4, 5)
    spikes.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in layer.parameters())


@pytest.mark.parametrize("backend", ["fused", "torch", "reference"])
def test_potential_is_what_is_compared_with_the_threshold(backend):
    x = torch.randn(5, 30, requires_grad=True)
    spikes, _, potential = lif(x, return_potential=True, backend=backend)
    assert torch.equal(spikes, (potential >= 1).float())
    expected = lif_reference(x, LIFParameters(), return_potential=True)[2]
    assert torch.equal(potential, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"truncate": 0},
        {"synapse": 1.5},
        {"adaptation": -1.0},
        {"refractory": 1.5},
        {"beta_form": "tanh"},
        {"learn_beta": True, "beta_form": "sigmoid", "beta": 1.0},
    ],
)
def test_parts_that_make_no_sense_are_refused(change):
    with pytest.raises(InputError, match=r"LIFParameters\.\w+: expected .* got"):
        LIFParameters(**change)


@pytest.mark.parametrize("threshold", [0.5, torch.tensor(0.5)])
def test_spike_is_differentiable_twice(threshold):
    u = torch.tensor([0.2, 0.9], dtype=torch.float64, requires_grad=True)
    threshold = torch.as_tensor(threshold, dtype=torch.float64)
    (first,) = torch.autograd.grad(spike(u, threshold, "sigmoid", 2.0).sum(), u, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), u)
    s = torch.sigmoid(2 * (u - 0.5))
    torch.testing.assert_close(second, 4 * s * (1 - s) * (1 - 2 * s))
