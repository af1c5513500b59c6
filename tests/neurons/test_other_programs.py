"""LIF in other people's programs: traced, transformed, checkpointed, exported, in workers; each was wrong once."""

import threading

import numpy as np
import pytest
import torch
from torch.func import vmap
from torch.utils.checkpoint import checkpoint

from snnvtg import native, operator_checks
from snnvtg.backends import forget
from snnvtg.errors import BackendError, InputError
from snnvtg.neurons import LIF, LIFParameters, lif, set_backend
from snnvtg.neurons.backends import BACKENDS, fused_cpu, fused_triton, spikingjelly, spikingjelly_cupy
from snnvtg.neurons.conformance.programs import KINDS, trials
from snnvtg.operator_checks import CHECKS

HEAVY = ("compiled with dynamic sizes", "threads", "forked loader workers", "spawned loader workers")
REFUSED = {
    "fused": {"func jvp", "forward mode", "second derivatives"},
    "torch": {"func jvp", "forward mode"},
    "reference": set(),
}


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in HEAVY])
@pytest.mark.parametrize("backend", REFUSED)
def test_backend_holds_in_other_programs(backend, check):
    results = [operator_checks.run_check(trial, check) for trial in trials(BACKENDS[backend], spec=backend)]
    wanted = "refused" if check in REFUSED[backend] else "passed"
    assert [r for r in results if r.outcome != wanted] == []
    assert len(results) == len(KINDS)


@pytest.mark.parametrize("check", HEAVY[:-1])  # the last: test_conformance.py
def test_fused_holds_in_other_programs_that_take_seconds(check):
    first = trials(BACKENDS["fused"], spec="fused")[0]
    assert operator_checks.run_check(first, check).outcome == "passed"


@pytest.mark.slow
@pytest.mark.parametrize("check", HEAVY)
@pytest.mark.parametrize("backend", ["fused", "torch", "reference"])
def test_backend_holds_in_other_programs_that_take_seconds(backend, check):
    results = [operator_checks.run_check(trial, check) for trial in trials(BACKENDS[backend], spec=backend)]
    assert [r for r in results if r.outcome != "passed"] == []


@pytest.mark.parametrize("backend", ["snntorch", "spikingjelly"])
@pytest.mark.parametrize("check", ["vmap over inputs", "func jvp", "second derivatives", "checkpointing"])
def test_adapters_are_right_or_refuse(backend, check):
    results = [operator_checks.run_check(trial, check) for trial in trials(BACKENDS[backend], spec=backend)]
    assert [r for r in results if r.outcome == "failed"] == []


def traced_at(steps: int):
    return torch.jit.trace(lambda x: lif(x, backend="fused")[0], torch.randn(steps, 5), check_trace=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("traced, called", [(64, 1), (8, 12), (8, 3)])
def test_traced_at_one_length_and_called_at_another(traced, called):
    x = torch.randn(called, 5, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    mine, expected = traced_at(traced)(x), lif(y, backend="reference")[0]
    assert torch.equal(mine, expected)
    mine.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("in_dim", [0, 1, 2])
def test_vmap_over_a_traced_layer(in_dim):
    x = torch.randn(20, 20, 20)
    expected = vmap(lambda x: lif(x, backend="reference")[0], in_dim)(x)
    assert torch.equal(vmap(traced_at(8), in_dim)(x), expected)


def arguments(**changes):
    given = {
        "current": torch.randn(4, 3),
        "v": torch.zeros(3),
        "beta": torch.tensor(0.5),
        "v_threshold": torch.ones(()),
    }
    return (*(given | changes).values(), None, None, 0, False, 0.0, False, True, 0, 2.0, 0, False)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"v": torch.zeros(2)}, "initial state v: expected shape"),
        ({"v": torch.zeros(3, dtype=torch.float64)}, "initial state v: .*torch.float32"),
        ({"beta": torch.zeros(2)}, "beta: expected shape"),
        ({"v_threshold": torch.zeros(4, 3)}, "threshold: expected shape"),
    ],
)
def test_operator_refuses_shapes_that_do_not_fit(changes, told):
    with pytest.raises(InputError, match=told):
        torch.ops.snnvtg.lif_forward(*arguments(**changes))


@pytest.mark.parametrize("shape", [(5, 3), (4, 2), (3,)])
def test_backward_operator_refuses_a_gradient_of_another_shape(shape):
    call = (torch.zeros(shape), None, None, *arguments()[:-1], [True] + 5 * [False])
    with pytest.raises(InputError, match="gradient of the spikes: expected shape"):
        torch.ops.snnvtg.lif_backward(*call)


def test_gradient_penalty_without_detached_reset():
    x = torch.randn(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def penalty(backend):
        leaf = x.clone().requires_grad_()
        spikes, _ = lif(leaf, LIFParameters(beta=0.8, detach_reset=False), backend=backend)
        (first,) = torch.autograd.grad(spikes.sum(), leaf, create_graph=True)
        return torch.autograd.grad(first.square().sum(), leaf)[0]

    torch.testing.assert_close(penalty("torch"), penalty("reference"))


def test_forward_mode_of_the_reference_equals_its_reverse_mode():
    x, tangent = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)

    def run(x):
        return lif(x, LIFParameters(detach_reset=False), backend="reference")[0]

    _, forward = torch.func.jvp(run, (x,), (tangent,))
    torch.testing.assert_close(forward, torch.autograd.functional.jvp(run, x, tangent)[1])


@pytest.mark.parametrize("backend", ["fused", "torch", "auto"])
def test_forward_mode_is_refused_with_the_backend_that_has_it(backend):
    x = torch.randn(3, 4)
    with pytest.raises(BackendError, match=r"forward-mode.*'reference'"):
        torch.func.jvp(lambda x: lif(x, backend=backend)[0], (x,), (x,))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing(reentrant):
    x, layer = torch.randn(4, 6, requires_grad=True), LIF(backend="fused")
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    checkpoint(layer, x, use_reentrant=reentrant).square().sum().backward()
    assert torch.equal(x.grad, expected)


@pytest.mark.parametrize("size", [8, 1 << 20])
def test_results_may_be_changed_in_place(size):
    x = torch.randn(2, size, requires_grad=True)
    (expected,) = torch.autograd.grad(lif(x, backend="fused")[0].sum(), x)
    spikes, v = lif(x, backend="fused")
    spikes += 1
    v.zero_()
    assert torch.equal(torch.autograd.grad(spikes.sum(), x)[0], expected)


def test_a_dozen_batch_sizes_make_two_graphs():
    graphs = []

    def record(graph, example):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(LIF(LIFParameters(learn_beta=True), backend="fused"), backend=record, fullgraph=True)
    for batch in range(2, 14):
        compiled(torch.randn(4, batch, 8))
    assert len(graphs) == 2


def test_learned_beta_compiles_with_dynamic_sizes_from_the_start():
    torch._dynamo.reset()
    layer = LIF(LIFParameters(learn_beta=True), num_channels=8, backend="fused")
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=True)
    for steps, batch in ((4, 3), (7, 5)):
        x = torch.randn(steps, batch, 8)
        assert torch.equal(compiled(x), layer(x))


def test_export_with_every_axis_dynamic():
    axes = dict.fromkeys(range(3), torch.export.Dim.DYNAMIC)
    program = torch.export.export(LIF(backend="fused"), (torch.randn(4, 3, 8),), dynamic_shapes=(axes,)).module()
    for shape in ((7, 5, 6), (2, 9, 8)):
        x = torch.randn(shape)
        assert torch.equal(program(x), lif(x, backend="reference")[0])


@pytest.fixture
def cuda(monkeypatch):
    """A machine whose torch finds a CUDA device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    forget()
    yield monkeypatch
    forget()


def test_cupy_layer_is_made_on_the_cpu_and_refused_for_a_cpu_tensor(cuda):
    cuda.setattr(spikingjelly, "version", lambda: spikingjelly_cupy.SUPPORTED)
    cuda.setattr(spikingjelly_cupy, "find_spec", lambda name: name)
    model = torch.nn.Sequential(LIF(backend="spikingjelly-cupy"), LIF(backend="torch"))
    set_backend(model, "spikingjelly-cupy")
    with pytest.raises(BackendError, match="CUDA tensors only, not on cpu"):
        model(torch.ones(2, 3))


def test_fused_layer_is_made_on_a_gpu_machine_without_a_compiler(cuda):
    cuda.setattr(native, "compiler", lambda: None)
    cuda.setattr(fused_triton, "missing", list)
    native.forget()
    fused_cpu.library.cache_clear()
    try:
        layer = LIF(backend="fused")
        with pytest.raises(BackendError, match=r"no C\+\+ compiler"):
            layer(torch.ones(2, 3))
    finally:
        native.forget()
        fused_cpu.library.cache_clear()


@pytest.mark.parametrize("backend", ["fused", "torch", "reference", "snntorch", "spikingjelly"])
@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_a_numpy_threshold_counts(backend, number):
    x = torch.full((7, 1), 0.6)
    assert lif(x, v_threshold=number, backend=backend)[0].sum() == 7
    assert lif(x, LIFParameters(v_threshold=np.float32(0.5)), backend=backend)[0].sum() == 7


def test_what_is_no_number_is_refused():
    with pytest.raises(InputError, match=r"LIF beta: expected a number, an array or a tensor, got '0.5'"):
        lif(torch.ones(2, 3), beta="0.5")


def test_snntorch_refuses_a_beta_that_it_would_clamp():
    with pytest.raises(BackendError, match=r"clamps beta to \[0, 1\]"):
        lif(torch.ones(2, 3), beta=torch.tensor(1.25), backend="snntorch")


def test_values_on_another_device_are_refused():
    with pytest.raises(InputError, match=r"beta: .* on cpu, got shape .* on meta"):
        lif(torch.ones(2, 3), beta=torch.ones(3, device="meta"))
    with pytest.raises(InputError, match=r"initial state v: expected shape .* on cpu, got .* on meta"):
        lif(torch.ones(2, 3), v=torch.ones(3, device="meta"))


def test_each_thread_has_its_own_cupy_node(monkeypatch):
    monkeypatch.setattr(spikingjelly_cupy, "_node", lambda *key: key)
    made = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: made.append(spikingjelly_cupy.node(LIFParameters())))
        thread.start()
        made.append(spikingjelly_cupy.node(LIFParameters()))
        thread.join()
    assert len(set(made)) > 1 and made[0] != made[1]


def test_cupy_node_is_reset_after_an_error(monkeypatch):
    resets = []

    class Broken:
        def __call__(self, x):
            raise RuntimeError("out of memory")

        def reset(self):
            resets.append(1)

    monkeypatch.setattr(spikingjelly_cupy, "node", lambda parameters, backend: Broken())
    backend = BACKENDS["reference"]
    with pytest.raises(RuntimeError, match="out of memory"):
        run = lambda neuron, inputs: spikingjelly_cupy.run_with("torch", neuron, inputs)  # noqa: E731
        lif(torch.ones(2, 3), backend=type(backend)("broken", run))
    assert resets == [1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_learned_scalar_elsewhere_keeps_its_gradient_and_a_graph_captures_a_new_value():
    x, beta = torch.randn(4, 64, device="cuda"), torch.tensor(0.6, requires_grad=True)
    lif(x, beta=beta, backend="fused")[1].sum().backward()
    assert beta.grad is not None and beta.grad.device.type == "cpu"
    lif(x, LIFParameters(beta=0.7), backend="fused")  # compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        spikes, v = lif(x, LIFParameters(beta=0.71), backend="fused")
    graph.replay()
    expected = lif(x, LIFParameters(beta=0.71), backend="reference")
    assert torch.equal(spikes, expected[0]) and torch.equal(v, expected[1])
