"""What is particular to the fused backend: one operator to everybody, little kept."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, vmap

from snnvtg.errors import BackendError
from snnvtg.neurons import LIF, LIFParameters, lif


def kept_for_backward(run) -> int:
    """Bytes autograd keeps, counting each storage once."""
    storages = {}

    def pack(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    assert result is not None
    return sum(storages.values())


def test_compile_sees_one_operator():
    graphs = []

    def record(graph, example):
        graphs.append([str(node.target) for node in graph.graph.nodes if node.op == "call_function"])
        return graph.forward

    layer, x = LIF(LIFParameters(learn_beta=True)), torch.randn(4, 3, 8)
    torch._dynamo.reset()
    compiled = torch.compile(layer, backend=record, fullgraph=True)
    assert torch.equal(compiled(x), layer(x))
    assert [sum("snnvtg.lif_forward" in target for target in graph) for graph in graphs] == [1]


def test_compiled_gradients_are_the_same():
    layer, x = LIF(LIFParameters(learn_beta=True), backend="fused"), torch.randn(4, 3, 8, requires_grad=True)
    torch._dynamo.reset()
    results = []
    for run in (layer, torch.compile(layer, backend="aot_eager", fullgraph=True)):
        results.append(torch.autograd.grad(run(x).square().sum(), [x, layer.beta]))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("backend", ["fused", "torch", "reference"])
def test_per_sample_gradients_with_torch_func(backend):
    x = torch.randn(3, 4, 5)
    layer = LIF(backend=backend)
    each = vmap(grad(lambda sample: layer(sample).square().sum()), in_dims=1, out_dims=1)(x)
    whole = x.clone().requires_grad_()
    layer(whole).square().sum().backward()
    torch.testing.assert_close(each, whole.grad)


def test_vmap_over_current_and_learned_beta():
    x, beta = torch.randn(6, 3, 4), torch.rand(6)
    one_by_one = torch.stack([lif(a, beta=b, backend="fused")[0] for a, b in zip(x, beta, strict=True)])
    assert torch.equal(vmap(lambda a, b: lif(a, beta=b, backend="fused")[0])(x, beta), one_by_one)


def test_autocast_changes_nothing_inside():
    x = torch.randn(4, 7)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(lif(x, backend="fused")[0], lif(x, backend="reference")[0])


def test_second_derivatives_are_refused_not_wrong():
    x = torch.randn(3, 4, requires_grad=True)
    (first,) = torch.autograd.grad(lif(x, backend="fused")[0].sum(), x, create_graph=True)
    with pytest.raises(BackendError, match="differentiable once"):
        first.sum().backward()


def test_keeps_its_input_only_and_half_of_spikingjelly():
    pytest.importorskip("spikingjelly.activation_based.functional")
    x = torch.randn(8, 4, 64, 32, requires_grad=True)
    fused = kept_for_backward(lambda: lif(x, backend="fused"))
    assert fused <= x.nbytes + 64
    # SpikingJelly keeps the current and the potentials; beside our current there are the two scalars
    assert fused <= kept_for_backward(lambda: lif(x, backend="spikingjelly")) / 2 + 8


def test_direct_encoding_keeps_one_step():
    x = torch.randn(4, 64, 32, requires_grad=True)
    assert kept_for_backward(lambda: lif(x, num_timesteps=8, backend="fused")) <= x.nbytes + 64


def test_threads_do_not_change_the_answer():
    x = torch.randn(8, 16, 75, 64, requires_grad=True)
    threads, answers = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            spikes, v = lif(x, beta=torch.tensor(0.7), backend="fused")
            answers.append((spikes, v, *torch.autograd.grad(spikes.square().sum() + v.sum(), x)))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    beta=st.floats(0, 1, width=32),
    v_threshold=st.floats(0.125, 4, width=32),
    soft=st.booleans(),
    scale=st.sampled_from([1e-20, 1.0, 1e4]),
    seed=st.integers(0, 2**16),
)
def test_equals_the_reference_bit_for_bit_whatever_the_numbers(shape, beta, v_threshold, soft, scale, seed):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale
    parameters = LIFParameters(beta=beta, v_threshold=v_threshold, reset="soft" if soft else "hard")
    mine, reference = (lif(x, parameters, backend=backend) for backend in ("fused", "reference"))
    assert torch.equal(mine[0], reference[0]) and torch.equal(mine[1], reference[1])
