"""The adapters of mamba-ssm and causal-conv1d: layouts, masks and reversal on stand-ins, the packages on a GPU."""

import sys
import types

import pytest
import torch
from torch.nn import functional as F

from snnvtg.errors import BackendError
from snnvtg.scan import available_backends, bidirectional_selective_scan, causal_conv1d, external, selective_scan
from snnvtg.scan.convolution import Convolution
from snnvtg.scan.inputs import Scan, ScanInputs
from tests.scan.cases import assert_all_close, direction


def selective_scan_fn(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
):
    """mamba-ssm's signature and layout, (B, D, L) and (B, N, L), worked out by a loop in one type."""
    assert all(t is None or t.is_contiguous() for t in (u, delta, A, B, C, D, z, delta_bias))
    assert {A.dtype, *(t.dtype for t in (D, delta_bias) if t is not None)} == {torch.float32}
    assert len({t.dtype for t in (u, delta, B, C)}) == 1
    delta = delta.float() if delta_bias is None else delta.float() + delta_bias[:, None]
    delta = F.softplus(delta) if delta_softplus else delta
    h, ys = torch.zeros(*u.shape[:2], A.shape[1]), []
    for t in range(u.shape[2]):
        h = torch.exp(delta[..., t, None] * A) * h + (delta * u)[..., t, None] * B[:, None, :, t]
        ys.append((h * C[:, None, :, t]).sum(-1) + (0 if D is None else D * u[..., t]))
    y = torch.stack(ys, -1) * (1 if z is None else F.silu(z.float()))
    return (y.to(u.dtype), h) if return_last_state else y.to(u.dtype)


@pytest.fixture
def stand_in(monkeypatch):
    """mamba-ssm's interface computed in torch, on the CPU."""
    interface = types.SimpleNamespace(selective_scan_fn=selective_scan_fn)
    monkeypatch.setattr(external, "scan_interface", lambda: interface)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("optional", [False, True])
def test_the_mamba_ssm_adapter_hands_over_what_the_reference_computes(stand_in, dtype, reverse, masked, optional):
    generator = torch.Generator().manual_seed(0)
    x = direction(generator, 2, 11, 6, 4, dtype=dtype, initial=False, optional=optional)
    z = torch.randn(2, 11, 6, generator=generator).to(dtype) if optional else None
    mask = torch.rand(2, 11, generator=generator) > 0.3 if masked else None
    y, states = external.run_scan(Scan((x,), (reverse,), z, mask, return_state=True))
    given = (x.u, x.delta, x.A, x.B, x.C, x.D, z, x.delta_bias)
    options = {"valid_mask": mask, "reverse": reverse, "return_state": True, "backend": "reference"}
    assert_all_close([y, states[0]], list(selective_scan(*given, **options)), 1e-5 if dtype == torch.float32 else 2e-2)
    assert y.dtype == dtype


def test_the_mamba_ssm_adapter_adds_both_directions_and_gates_once(stand_in):
    generator = torch.Generator().manual_seed(1)
    both = [direction(generator, 2, 9, 6, 4, dtype=torch.float32, initial=False) for _ in range(2)]
    z, mask = torch.randn(2, 9, 6), torch.rand(2, 9) > 0.3
    y, _ = external.run_scan(Scan(tuple(both), (False, True), z, mask))
    expected = bidirectional_selective_scan(*both, z=z, valid_mask=mask, backend="reference")
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": torch.float64, "initial": False}, "no float64"),
        ({"dtype": torch.float32, "initial": True}, "no initial state"),
    ],
)
def test_what_mamba_ssm_cannot_do_it_refuses(changes, reason):
    x = direction(torch.Generator(), 1, 3, 2, 2, **changes)
    assert any(reason in r for r in external.scan_refuses(Scan((x,), (False,), None, None)))


def test_mamba_ssm_refuses_a_state_it_has_no_gradient_for():
    x = direction(torch.Generator(), 1, 3, 2, 2, dtype=torch.float32, initial=False)
    scan = Scan((x,), (False,), None, None, return_state=True)
    assert external.scan_refuses(scan) == ["its final state has no gradient"]
    with torch.no_grad():
        assert external.scan_refuses(scan) == []


@pytest.mark.parametrize("channels", [8, 11])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_causal_conv1d_adapter_hands_over_what_the_reference_computes(monkeypatch, channels, reverse, masked):
    def causal_conv1d_fn(x, weight, bias=None, activation=None):
        assert x.stride(1) == 1 if channels % 8 == 0 else x.is_contiguous()
        y = F.conv1d(x, weight[:, None], bias, padding=weight.shape[1] - 1, groups=x.shape[1])[..., : x.shape[2]]
        return F.silu(y) if activation == "silu" else y

    package = types.ModuleType("causal_conv1d")
    package.causal_conv1d_fn = causal_conv1d_fn
    monkeypatch.setitem(sys.modules, "causal_conv1d", package)
    x, weight, bias = torch.randn(2, 9, channels), torch.randn(channels, 4), torch.randn(channels)
    mask = torch.rand(2, 9) > 0.3 if masked else None
    y = external.run_convolution(Convolution(x, weight, bias, "silu", mask, reverse))
    expected = causal_conv1d(x, weight, bias, valid_mask=mask, reverse=reverse, backend="reference")
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)


def test_the_interface_is_found_behind_a_package_that_does_not_import(monkeypatch, tmp_path):
    folder = tmp_path / "mamba_ssm" / "ops"
    folder.mkdir(parents=True)
    (tmp_path / "mamba_ssm" / "__init__.py").write_text("import tilelang_that_is_not_there\n")
    (folder / "__init__.py").write_text("")
    (folder / "selective_scan_interface.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "mamba_ssm"]:
        monkeypatch.delitem(sys.modules, name)
    external.scan_interface.cache_clear()
    try:
        assert external.scan_interface().answer == 42
        # the real package, should it be imported later, is not replaced
        assert "mamba_ssm" not in sys.modules
    finally:
        external.scan_interface.cache_clear()
        for name in [name for name in sys.modules if name.split(".")[0] == "mamba_ssm"]:
            del sys.modules[name]


def test_an_installation_without_the_kernels_is_told_from_none(monkeypatch, tmp_path):
    folder = tmp_path / "mamba_ssm" / "ops"
    folder.mkdir(parents=True)
    for file in (tmp_path / "mamba_ssm", folder):
        (file / "__init__.py").write_text("")
    (folder / "selective_scan_interface.py").write_text("import selective_scan_cuda\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    external.scan_interface.cache_clear()
    try:
        reasons = external.scan_missing("cuda")
    finally:
        external.scan_interface.cache_clear()
        for name in [name for name in sys.modules if name.split(".")[0] == "mamba_ssm"]:
            del sys.modules[name]
    assert any("installed without its Mamba-1 kernels" in r and "selective_scan_cuda" in r for r in reasons)


GPU = [name for name, reasons in available_backends("cuda").items() if reasons is None and name != "reference"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("backend", GPU)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-4), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("shape", [(2, 75, 64, 16), (1, 1, 8, 16), (3, 150, 40, 8)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_gpu_backends_equal_the_reference(backend, dtype, tolerance, shape, masked, reverse):
    x = direction(torch.Generator().manual_seed(4), *shape, dtype=dtype, initial=False)
    mask = (torch.rand(*shape[:2]) > 0.3).cuda() if masked else None

    def moved(kind):
        tensors = [None if t is None else t.detach().to("cuda", kind).requires_grad_() for t in x.tensors[:7]]
        return ScanInputs(*tensors)

    try:
        actual = _output_and_gradients(backend, moved(dtype), mask, reverse)
    except BackendError as error:
        pytest.skip(str(error))
    assert_all_close(actual, _output_and_gradients("reference", moved(torch.float64), mask, reverse), tolerance)


def _output_and_gradients(backend, x, mask, reverse):
    # mamba-ssm's state has no gradient, so the loss is of y alone
    given = (x.u, x.delta, x.A, x.B, x.C, x.D, None, x.delta_bias)
    y = selective_scan(*given, valid_mask=mask, reverse=reverse, backend=backend)
    weights = torch.cos(torch.arange(y.numel(), device=y.device, dtype=torch.float64)).view(y.shape)
    return [y, *torch.autograd.grad((y * weights).sum(), [t for t in x.tensors if t is not None])]
