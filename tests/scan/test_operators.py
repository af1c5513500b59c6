"""The compiled kernels as torch operators: one node each, whoever looks."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from snnvtg.errors import InputError
from snnvtg.leaf_ops import observe
from snnvtg.scan import (
    available_backends,
    bidirectional_selective_scan,
    causal_conv1d,
    convolution_cpu,
    cpu_kernels,
    operator,
    selective_scan,
    triton_scan,
)
from tests.scan.cases import direction


def arguments(count: int = 1, keep: bool = True):
    x = direction(torch.Generator().manual_seed(0), 2, 5, 6, 4, dtype=torch.float32, initial=True)
    one = [x.u, x.delta, x.A.t(), x.B, x.C, x.D, x.delta_bias, x.initial_state.transpose(1, 2)]
    tensors = [t.detach().contiguous().requires_grad_() for t in one * count]
    z = torch.randn(2, 5, 6, requires_grad=True)
    return tensors, z, torch.ones(2, 5, dtype=torch.bool), None, [True] * count, [False, True][:count], keep


@pytest.mark.parametrize("count", [1, 2])
def test_the_scan_operator_passes_torchs_own_checks(count):
    torch.library.opcheck(torch.ops.snnvtg.selective_scan.default, arguments(count))


@pytest.mark.parametrize("kernels", [name for name in ("torch", "numba") if available_backends()[name] is None])
def test_the_recurrence_operator_passes_torchs_own_checks(kernels):
    tensors, *_ = arguments()
    u, step, A, B, C, _, _, initial = tensors
    fresh = torch.tensor([False, False, True, False, True]).expand(2, -1)
    given = (u, step, A, B, C, initial, fresh, True, True, kernels)
    torch.library.opcheck(torch.ops.snnvtg.recurrence.default, given)


def test_the_convolution_operator_passes_torchs_own_checks():
    x, weight, bias = (torch.randn(shape, requires_grad=True) for shape in ((2, 5, 6), (6, 4), (6,)))
    seq_idx = torch.tensor([0, 0, 1, 1, 1], dtype=torch.int32).expand(2, -1)
    given = (x, weight, bias, torch.ones(2, 5, dtype=torch.bool), seq_idx, True, False)
    torch.library.opcheck(torch.ops.snnvtg.causal_conv1d.default, given)


def test_operators_check_what_they_are_given():
    """Kernels read as far as they are told to: called directly with what does not fit they would read beyond."""
    tensors, z, mask, seq_idx, *flags = arguments()
    scan, backward = torch.ops.snnvtg.selective_scan, torch.ops.snnvtg.selective_scan_backward
    short = [t[:, :3] if t.dim() == 3 and t.shape[1] == 5 else t for t in tensors]
    for wrong in (
        ([*tensors[:3], *short[3:5], *tensors[5:]], z, mask, seq_idx),
        ([tensors[0].double(), *tensors[1:]], z, mask, seq_idx),
        (tensors, z[:, :3], mask, seq_idx),
        (tensors, z, mask[:, :3], seq_idx),
        (tensors, z, mask, torch.zeros(2, 3, dtype=torch.int32)),
    ):
        with pytest.raises(InputError, match="selective_scan operator"):
            scan(*wrong, *flags)
    out, y, states, checkpoints = scan(tensors, z, mask, seq_idx, *flags)
    shared = (tensors, z, mask, seq_idx, *flags[:2])
    for wrong in (
        (y, checkpoints, out[:, :3], states),
        (y[:, :3], checkpoints, out, states),
        (y, [kept[:7] for kept in checkpoints], out, states),
        (y, checkpoints, out, [state[:, :1] for state in states]),
    ):
        with pytest.raises(InputError, match="selective_scan operator, backward"):
            backward(*shared, *wrong)
    x, weight = torch.randn(2, 5, 6), torch.randn(6, 4)
    with pytest.raises(InputError, match="causal_conv1d operator"):
        torch.ops.snnvtg.causal_conv1d(x, weight[:4], None, None, None, True, False)
    with pytest.raises(InputError, match="expected a width of 1 to 16, got 17"):
        torch.ops.snnvtg.causal_conv1d(x, torch.randn(6, 17), None, None, None, True, False)
    with pytest.raises(InputError, match="causal_conv1d operator, backward"):
        torch.ops.snnvtg.causal_conv1d_backward(x, weight, None, None, None, x[:, :3], True, False)


def test_the_constants_are_the_kernels():
    assert cpu_kernels.library().scan_chunk() == operator.CHUNK == triton_scan.CHUNK
    assert cpu_kernels.library("causal_conv1d").convolution_widest() == convolution_cpu.WIDEST


def test_compiled_code_holds_the_scan_as_one_operator_and_computes_the_same():
    x = direction(torch.Generator().manual_seed(1), 2, 6, 8, 4, dtype=torch.float32, initial=False)
    weight, bias = torch.randn(8, 4, requires_grad=True), torch.randn(8)
    names = []

    def record(graph, example_inputs):
        names.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    def run(u, delta, A, B, C, weight):
        u = causal_conv1d(u, weight, bias)
        return selective_scan(u, delta, A, B, C).relu()

    given = (x.u, x.delta, x.A, x.B, x.C, weight)
    compiled = torch.compile(run, backend=record, fullgraph=True)(*given)
    assert sum("selective_scan" in name for name in names) == 1
    assert sum("causal_conv1d" in name for name in names) == 1
    torch.testing.assert_close(compiled, run(*given))
    torch.testing.assert_close(
        torch.autograd.grad(compiled.sum(), given), torch.autograd.grad(run(*given).sum(), given)
    )


def test_an_observer_sees_one_call_whichever_backend_runs():
    x = direction(torch.Generator().manual_seed(1), 1, 4, 3, 2, dtype=torch.float32, initial=False)
    seen = []

    def observer(name, function, args, kwargs):
        seen.append(name)
        return function(*args, **kwargs)

    with observe(observer):
        for backend in ("reference", "torch", "cpu"):
            selective_scan(x.u, x.delta, x.A, x.B, x.C, backend=backend)
            bidirectional_selective_scan(x, x, backend=backend)
            causal_conv1d(x.u, torch.ones(3, 4), backend=backend)
    assert seen == ["selective_scan", "bidirectional_selective_scan", "causal_conv1d"] * 3


def test_nothing_of_size_b_l_d_n_is_kept_or_allocated():
    B, L, D, N = 2, 256, 64, 16
    x = direction(torch.Generator().manual_seed(0), B, L, D, N, dtype=torch.float32, initial=False)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        selective_scan(x.u, x.delta, x.A, x.B, x.C, backend="cpu").sum().backward()
    largest = max(event.cpu_memory_usage for event in trace.events() if event.name.startswith("aten::empty"))
    # the tensors of B·L·D, and the states before each 16th step
    assert 0 < largest <= B * L * D * max(1, N // operator.CHUNK) * 4


def test_autocast_computes_the_scan_in_float32():
    x = direction(torch.Generator().manual_seed(1), 2, 30, 8, 4, dtype=torch.float32, initial=False)
    expected = selective_scan(x.u, x.delta, x.A, x.B, x.C, backend="cpu")
    with torch.autocast("cpu", torch.bfloat16):
        mixed = selective_scan(x.u.bfloat16(), x.delta.bfloat16(), x.A, x.B.bfloat16(), x.C.bfloat16(), backend="cpu")
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), expected, rtol=0.05, atol=0.05 * expected.abs().max().item())


@pytest.mark.parametrize("backend", ["torch", "cpu"])
def test_autocast_leaves_the_recurrence_of_float32_inputs_alone(backend):
    x = direction(torch.Generator().manual_seed(1), 2, 30, 8, 4, dtype=torch.float32, initial=False)
    expected = selective_scan(x.u, x.delta, x.A, x.B, x.C, backend=backend)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(selective_scan(x.u, x.delta, x.A, x.B, x.C, backend=backend), expected)
