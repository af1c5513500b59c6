"""The short convolution: by hand, against torch's own, and every backend against the reference."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnvtg.scan import causal_conv1d
from snnvtg.scan.convolution import CAUSAL_CONV1D

BACKENDS = [name for name in CAUSAL_CONV1D.backends if not CAUSAL_CONV1D.why_not(name, "cpu") and name != "reference"]


def values_and_gradients(backend, x, weight, bias, **options):
    y = causal_conv1d(x, weight, bias, backend=backend, **options)
    weights = torch.cos(torch.arange(y.numel(), dtype=y.dtype)).view(y.shape)
    inputs = [t for t in (x, weight, bias) if t is not None]
    return [y, *torch.autograd.grad((y * weights).sum(), inputs)]


def test_reference_is_the_sum_worked_out_by_hand():
    x = torch.tensor([[[1.0], [2.0], [3.0]]])
    weight, bias = torch.tensor([[10.0, 1.0]]), torch.tensor([0.5])
    causal = causal_conv1d(x, weight, bias, activation=None, backend="reference")
    assert causal.flatten().tolist() == [1 + 0.5, 10 + 2 + 0.5, 20 + 3 + 0.5]
    anticausal = causal_conv1d(x, weight, bias, activation=None, reverse=True, backend="reference")
    assert anticausal.flatten().tolist() == [20 + 1 + 0.5, 30 + 2 + 0.5, 3 + 0.5]


def test_reference_is_the_depthwise_convolution_of_torch():
    convolution = torch.nn.Conv1d(6, 6, 4, groups=6, padding=3).double()
    x = torch.randn(2, 9, 6, dtype=torch.float64)
    expected = torch.nn.functional.silu(convolution(x.transpose(1, 2))[..., :9]).transpose(1, 2)
    actual = causal_conv1d(x, convolution.weight[:, 0], convolution.bias, backend="reference")
    torch.testing.assert_close(actual, expected)


def test_reference_gradients_match_finite_differences():
    inputs = (torch.randn(2, 5, 3), torch.randn(3, 4), torch.randn(3))
    inputs = tuple(t.double().requires_grad_() for t in inputs)
    mask = torch.tensor([[True, False, True, True, True], [True, True, True, False, False]])
    assert torch.autograd.gradcheck(
        lambda x, w, b: causal_conv1d(x, w, b, valid_mask=mask, backend="reference"), inputs
    )


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 37)),
    width=st.integers(1, 9),
    activation=st.sampled_from(["silu", None]),
    reverse=st.booleans(),
    masked=st.booleans(),
    biased=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_values_and_gradients_equal_the_reference(backend, shape, width, activation, reverse, masked, biased, seed):
    torch.manual_seed(seed)
    x, weight = torch.randn(shape).double().requires_grad_(), torch.randn(shape[2], width).double().requires_grad_()
    bias = torch.randn(shape[2]).double().requires_grad_() if biased else None
    mask = torch.rand(shape[:2]) > 0.3 if masked else None
    options = {"activation": activation, "reverse": reverse, "valid_mask": mask}
    actual = values_and_gradients(backend, x, weight, bias, **options)
    for a, e in zip(actual, values_and_gradients("reference", x, weight, bias, **options), strict=True):
        torch.testing.assert_close(a, e)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_stays_close_and_keeps_its_type(backend, dtype):
    x = torch.randn(2, 30, 33).to(dtype).requires_grad_()
    weight, bias = torch.randn(33, 4, requires_grad=True), torch.randn(33, requires_grad=True)
    y = causal_conv1d(x, weight, bias, backend=backend)
    exact = causal_conv1d(x.double(), weight.double(), bias.double(), backend="reference")
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), exact, rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_nan_in_padding_reaches_neither_values_nor_gradients(backend):
    x = torch.randn(1, 8, 5, dtype=torch.float64)
    x[:, 5:] = torch.nan
    x.requires_grad_()
    weight, bias = torch.randn(5, 4).double().requires_grad_(), torch.randn(5).double().requires_grad_()
    mask = torch.arange(8)[None] < 5
    for reverse in (False, True):
        y, *gradients = values_and_gradients(backend, x, weight, bias, valid_mask=mask, reverse=reverse)
        short = x[:, :5].detach().requires_grad_()
        torch.testing.assert_close(y[:, :5], causal_conv1d(short, weight, bias, reverse=reverse, backend="reference"))
        assert y[:, 5:].abs().max() == 0
        assert gradients[0][:, 5:].abs().max() == 0
        assert all(torch.isfinite(g).all() for g in gradients)
