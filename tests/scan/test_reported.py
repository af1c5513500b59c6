"""Defects that were reported, each as it was reproduced."""

import os
import warnings

import pytest
import torch

from snnvtg.errors import BackendError
from snnvtg.scan import CAUSAL_CONV1D, available_backends, causal_conv1d, selective_scan

SCANS = [name for name, reasons in available_backends().items() if reasons is None]
CONVOLUTIONS = [name for name, reasons in CAUSAL_CONV1D.available().items() if reasons is None]


def scan_inputs(batch=2, length=5, channels=4, states=3):
    torch.manual_seed(0)
    u, delta = torch.randn(batch, length, channels), torch.randn(batch, length, channels)
    A = -torch.rand(channels, states) - 0.1
    return u, delta, A, torch.randn(batch, length, states), torch.randn(batch, length, states)


@pytest.mark.parametrize("backend", SCANS)
def test_what_a_fork_writes_into_a_large_result_stays_in_the_fork(backend):
    y = selective_scan(*scan_inputs(8, 600, 64), backend=backend)  # 1.2 MB
    before = y.clone()
    child = os.fork()
    if not child:
        torch.set_num_threads(1)  # torch's own pool of threads is the parent's
        y.fill_(7)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.equal(y, before)


@pytest.mark.parametrize("length", [16, 600])
@pytest.mark.parametrize("backend", SCANS)
def test_a_result_may_be_written_to_in_place_whatever_its_size(backend, length):
    u, *rest = scan_inputs(8, length, 64)
    u.requires_grad_()
    y = selective_scan(u, *rest, backend=backend)
    expected = y.detach() + 1
    y += 1
    assert torch.equal(y, expected)
    y.sum().backward()


@pytest.mark.parametrize("length", [16, 600])
@pytest.mark.parametrize("backend", CONVOLUTIONS)
def test_a_convolved_result_may_be_written_to_in_place_whatever_its_size(backend, length):
    x = torch.randn(8, length, 64, requires_grad=True)
    y = causal_conv1d(x, torch.ones(64, 4), backend=backend)
    y += 1
    y.sum().backward()


@pytest.mark.parametrize("backend", SCANS)
def test_a_gradient_penalty_is_right_or_refused(backend):
    def penalty(backend):
        u, delta, A, B, C = (t.double().requires_grad_() for t in scan_inputs())
        D = torch.full((4,), 2.0, dtype=torch.float64, requires_grad=True)
        y = selective_scan(u, delta, A, B, C, D, backend=backend)
        (first,) = torch.autograd.grad(y.sum(), u, create_graph=True)
        return torch.autograd.grad(first.square().sum(), (delta, D))

    try:
        mine = penalty(backend)
    except BackendError as error:
        assert "differentiable once only" in str(error) and "'reference'" in error.remedy
        return
    torch.testing.assert_close(mine, penalty("reference"))


@pytest.mark.parametrize("backend", SCANS)
def test_forward_mode_through_the_scan_is_right_or_refused(backend):
    given = [t.double() for t in scan_inputs()]
    tangents = tuple(torch.ones_like(t) for t in given)

    def run(name):
        return torch.func.jvp(lambda *ts: selective_scan(*ts, backend=name).sum(), tuple(given), tangents)[1]

    try:
        mine = run(backend)
    except BackendError as error:
        assert "no forward-mode derivative" in str(error)
        return
    step = 1e-6
    moved = [selective_scan(*(t + s * step for t in given), backend="reference").sum() for s in (1, -1)]
    torch.testing.assert_close(mine, (moved[0] - moved[1]) / (2 * step), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", CONVOLUTIONS)
def test_forward_mode_through_the_convolution_is_right_or_refused(backend):
    x, weight = torch.randn(2, 5, 4).double(), torch.randn(4, 3).double()

    def run(name):
        return torch.func.jvp(lambda *ts: causal_conv1d(*ts, backend=name).sum(), (x, weight), (x, weight))[1]

    try:
        mine = run(backend)
    except BackendError as error:
        assert "no forward-mode derivative" in str(error)
        return
    torch.testing.assert_close(mine, run("reference"))


def test_auto_takes_the_reference_for_forward_mode_and_says_so():
    given = tuple(scan_inputs())
    with pytest.warns(UserWarning, match="'reference' on cpu, because cpu: it has no forward-mode derivative"):
        _, tangent = torch.func.jvp(lambda *ts: selective_scan(*ts), given, given)
    expected = torch.func.jvp(lambda *ts: selective_scan(*ts, backend="reference"), given, given)[1]
    assert torch.equal(tangent, expected) and tangent.abs().sum() > 0


@pytest.mark.parametrize("backend", SCANS)
def test_autocast_rounds_nothing_inside_the_scan_forward_or_backward(backend):
    def run():
        given = [t.requires_grad_() for t in scan_inputs(2, 30, 8)]
        y = selective_scan(*given, backend=backend)
        return y, *torch.autograd.grad(y.square().sum(), given)

    plain = run()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run()
    assert all(torch.equal(a, b) for a, b in zip(plain, mixed, strict=True))


@pytest.mark.parametrize("backend", CONVOLUTIONS)
def test_autocast_rounds_nothing_inside_the_convolution_forward_or_backward(backend):
    def run():
        torch.manual_seed(0)
        given = torch.randn(2, 9, 8, requires_grad=True), torch.randn(8, 4, requires_grad=True)
        y = causal_conv1d(*given, backend=backend)
        return y, *torch.autograd.grad(y.square().sum(), given)

    plain = run()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run()
    assert all(torch.equal(a, b) for a, b in zip(plain, mixed, strict=True))


@pytest.mark.parametrize("backend", [name for name in SCANS if name != "reference"])
def test_a_dozen_sizes_make_two_graphs(backend):
    """The reference is a loop over the steps, which torch.compile unrolls."""
    graphs = []

    def record(graph, example):
        graphs.append(graph)
        return graph.forward

    def run(u, delta, A, B, C, weight):
        return selective_scan(causal_conv1d(u, weight, backend="auto"), delta, A, B, C, backend=backend)

    torch._dynamo.reset()
    compiled = torch.compile(run, backend=record, fullgraph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for size in range(4, 16):
            given = (*scan_inputs(size, 3 * size, 2 * size, 33), torch.ones(2 * size, 3))
            torch.testing.assert_close(compiled(*given), run(*given))
    assert len(graphs) <= 2
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", [name for name in SCANS if name != "reference"])
def test_a_scan_traced_without_gradients_has_right_ones_when_asked(backend):
    def run(*tensors):
        return selective_scan(*tensors, backend=backend)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(run, scan_inputs(2, 64), check_trace=False)
    for length in (1, 12, 100):
        given = [t.requires_grad_() for t in scan_inputs(3, length)]
        mine = torch.autograd.grad(traced(*given).square().sum(), given)
        expected = torch.autograd.grad(selective_scan(*given, backend="reference").square().sum(), given)
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)
