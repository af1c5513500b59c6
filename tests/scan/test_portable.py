"""The kernels on processors without AVX-512: compiled for less, they give the reference too."""

import platform

import pytest
import torch

from snnvtg import native
from snnvtg.scan import causal_conv1d, convolution_cpu, cpu_kernels, selective_scan
from tests.scan.cases import assert_all_close, direction, values_and_gradients

X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.fixture(params=[("-mno-avx512f",), ("-mno-avx512f", "-mno-avx")], ids=["avx2", "sse"])
def lesser(request, monkeypatch):
    """Kernels built as if the processor had no AVX-512, or no AVX at all."""
    if not X86 or native.compiler() is None:
        pytest.skip("needs an x86-64 processor and a C++ compiler")
    libraries = {
        name: native.load(cpu_kernels.FOLDER / f"{name}.cpp", (f"-I{cpu_kernels.FOLDER}", *request.param))
        for name in ("selective_scan", "causal_conv1d")
    }

    def library(name="selective_scan"):
        return libraries[name]

    monkeypatch.setattr(cpu_kernels, "library", library)
    monkeypatch.setattr(convolution_cpu, "library", library)


@pytest.mark.parametrize("shape", [(2, 33, 40, 16), (1, 1, 1, 1), (3, 20, 19, 7), (2, 17, 9, 8)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-10)])
def test_the_scan_equals_the_reference(lesser, shape, dtype, tolerance):
    generator = torch.Generator().manual_seed(1)
    x = direction(generator, *shape, dtype=dtype)
    z = torch.randn(*shape[:3], generator=generator).to(dtype).requires_grad_()
    mask = torch.rand(*shape[:2], generator=generator) > 0.2
    expected = values_and_gradients("reference", x, z, mask, True)
    assert_all_close(values_and_gradients("cpu", x, z, mask, True), expected, tolerance)


def test_fast_decay_and_nan_behave(lesser):
    x = direction(torch.Generator().manual_seed(11), 1, 40, 16, 16, dtype=torch.float32, initial=False)
    delta, A = torch.full_like(x.delta, 60.0), torch.full_like(x.A, -50.0)
    u = x.u.detach().clone()
    u[0, 20, 3] = torch.nan
    y = selective_scan(u, delta, A, x.B, x.C, backend="cpu")
    expected = 60 * u * (x.B * x.C).sum(-1, keepdim=True)
    torch.testing.assert_close(y[:, :20], expected[:, :20], rtol=1e-4, atol=1e-3)
    assert torch.isnan(y[:, 20:, 3]).all()


def test_the_convolution_equals_the_reference(lesser):
    x, weight, bias = torch.randn(2, 9, 21), torch.randn(21, 4), torch.randn(21)
    for reverse in (False, True):
        y = causal_conv1d(x, weight, bias, reverse=reverse, backend="cpu")
        torch.testing.assert_close(y, causal_conv1d(x, weight, bias, reverse=reverse, backend="reference"))
