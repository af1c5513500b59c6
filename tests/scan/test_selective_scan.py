"""Every backend that runs here against the reference, and the reference against arithmetic by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnvtg.scan import ScanInputs, available_backends, bidirectional_selective_scan, selective_scan
from tests.scan.cases import assert_all_close, bidirectional_values_and_gradients, direction, values_and_gradients

BACKENDS = [name for name, reasons in available_backends().items() if reasons is None and name != "reference"]
# kernels take 8 and 16 states at once, and what is left over one by one
STATES = [1, 3, 5, 8, 16, 17, 24, 31]


def test_the_compiled_backend_is_among_those_tested():
    assert {"cpu", "torch"} <= set(BACKENDS), available_backends()


def test_reference_is_the_recurrence_worked_out_by_hand():
    # one channel, one state: delta 0.5 and 1, A = -2, B = 3 and 1, C = 1 and 2, u = 4 and -1, D = 10, start 0
    h1 = 0.5 * 3 * 4
    h2 = math.exp(-2) * h1 + 1 * 1 * -1
    y, state = selective_scan(
        torch.tensor([[[4.0], [-1.0]]]),
        torch.tensor([[[0.5], [1.0]]]),
        torch.tensor([[-2.0]]),
        torch.tensor([[[3.0], [1.0]]]),
        torch.tensor([[[1.0], [2.0]]]),
        torch.tensor([10.0]),
        delta_softplus=False,
        return_state=True,
        backend="reference",
    )
    torch.testing.assert_close(y, torch.tensor([[[h1 + 40], [2 * h2 - 10]]]))
    torch.testing.assert_close(state, torch.tensor([[[h2]]]))


def test_reference_agrees_with_numpy_float64():
    x = direction(torch.Generator().manual_seed(3), 2, 6, 3, 4)
    z = torch.randn(2, 6, 3, dtype=torch.float64)
    n = {name: getattr(x, name).detach().numpy() for name in ("u", "delta", "A", "B", "C", "D", "delta_bias")}
    delta = np.logaddexp(0, n["delta"] + n["delta_bias"])
    h, expected = x.initial_state.detach().numpy(), []
    for t in range(6):
        h = np.exp(np.einsum("bd,dn->bdn", delta[:, t], n["A"])) * h
        h = h + np.einsum("bd,bn->bdn", delta[:, t] * n["u"][:, t], n["B"][:, t])
        gate = z[:, t].numpy() / (1 + np.exp(-z[:, t].numpy()))
        expected.append((np.einsum("bdn,bn->bd", h, n["C"][:, t]) + n["D"] * n["u"][:, t]) * gate)
    y = selective_scan(
        *(x.u, x.delta, x.A, x.B, x.C, x.D, z, x.delta_bias), initial_state=x.initial_state, backend="reference"
    )
    np.testing.assert_allclose(y.detach().numpy(), np.stack(expected, 1), rtol=1e-12)


def test_reference_gradients_match_finite_differences():
    x = direction(torch.Generator().manual_seed(0), 2, 3, 2, 2)
    z = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True], [True, True, False]])

    def scan(u, delta, A, B, C, D, bias, initial, z):
        return selective_scan(
            *(u, delta, A, B, C, D, z, bias),
            initial_state=initial,
            valid_mask=mask,
            return_state=True,
            backend="reference",
        )

    assert torch.autograd.gradcheck(scan, (*x.tensors, z))


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 37), st.sampled_from(STATES)),
    masked=st.booleans(),
    reverse=st.booleans(),
    gated=st.booleans(),
    optional=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_values_states_and_gradients_equal_the_reference_in_float64(
    backend, shape, masked, reverse, gated, optional, seed
):
    generator = torch.Generator().manual_seed(seed)
    x = direction(generator, *shape, initial=optional, optional=optional)
    z = torch.randn(*shape[:3], generator=generator, dtype=torch.float64).requires_grad_() if gated else None
    mask = torch.rand(*shape[:2], generator=generator) > 0.3 if masked else None
    expected = values_and_gradients("reference", x, z, mask, reverse)
    assert_all_close(values_and_gradients(backend, x, z, mask, reverse), expected, 1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("shape", [(2, 33, 40, 16), (1, 1, 1, 1), (3, 50, 19, 7), (2, 18, 40, 24), (1, 35, 17, 44)])
def test_values_and_gradients_in_lower_precision(backend, dtype, tolerance, shape):
    generator = torch.Generator().manual_seed(1)
    x = direction(generator, *shape, dtype=dtype)
    z = torch.randn(*shape[:3], generator=generator).to(dtype).requires_grad_()
    exact = ScanInputs(*(None if t is None else t.detach().double().requires_grad_() for t in x.tensors[:7]))
    initial = x.initial_state.detach().double().requires_grad_()
    exact = ScanInputs(*exact.tensors[:7], initial_state=initial)
    expected = values_and_gradients("reference", exact, z.detach().double().requires_grad_(), None, False)
    actual = values_and_gradients(backend, x, z, None, False)
    assert actual[0].dtype == dtype
    assert all(gradient.dtype == dtype for gradient in actual[2:])
    assert_all_close(actual, expected, tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gated", [False, True])
def test_both_directions_in_one_call_equal_the_reference(backend, masked, gated):
    generator = torch.Generator().manual_seed(5)
    forward, backward = (direction(generator, 3, 21, 18, 16, initial=False) for _ in range(2))
    z = torch.randn(3, 21, 18, dtype=torch.float64, requires_grad=True) if gated else None
    mask = torch.rand(3, 21, generator=generator) > 0.4 if masked else None
    expected = bidirectional_values_and_gradients("reference", forward, backward, z, mask)
    assert_all_close(bidirectional_values_and_gradients(backend, forward, backward, z, mask), expected, 1e-10)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_both_directions_are_the_sum_of_two_scans_gated_once(backend):
    generator = torch.Generator().manual_seed(6)
    forward, backward = (direction(generator, 2, 9, 5, 4, initial=False) for _ in range(2))
    z = torch.randn(2, 9, 5, dtype=torch.float64)
    single = [
        selective_scan(x.u, x.delta, x.A, x.B, x.C, x.D, None, x.delta_bias, reverse=reverse, backend=backend)
        for x, reverse in ((forward, False), (backward, True))
    ]
    both = bidirectional_selective_scan(forward, backward, z=z, backend=backend)
    torch.testing.assert_close(both, (single[0] + single[1]) * torch.nn.functional.silu(z))


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_reverse_is_the_scan_of_the_flipped_sequence(backend):
    x = direction(torch.Generator().manual_seed(7), 2, 19, 5, 4)
    flipped = (t.flip(1) for t in (x.u, x.delta))
    u, delta = flipped
    given = {"initial_state": x.initial_state, "return_state": True, "backend": backend}
    y, state = selective_scan(x.u, x.delta, x.A, x.B, x.C, x.D, None, x.delta_bias, reverse=True, **given)
    expected, last = selective_scan(u, delta, x.A, x.B.flip(1), x.C.flip(1), x.D, None, x.delta_bias, **given)
    torch.testing.assert_close(y, expected.flip(1))
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_padding_changes_nothing_even_where_it_holds_nan(backend):
    x = direction(torch.Generator().manual_seed(8), 1, 12, 6, 4, initial=False)
    z = torch.randn(1, 12, 6, dtype=torch.float64, requires_grad=True)
    expected = values_and_gradients(backend, x, z, None, False)

    def pad(tensor):
        nan = torch.full((1, 5, tensor.shape[-1]), torch.nan, dtype=tensor.dtype)
        return torch.cat([tensor.detach(), nan], 1).requires_grad_()

    padded = ScanInputs(pad(x.u), pad(x.delta), x.A, pad(x.B), pad(x.C), x.D, x.delta_bias)
    mask = torch.arange(17)[None] < 12
    y, state, du, ddelta, dA, dB, dC, dD, dbias, dz = values_and_gradients(backend, padded, pad(z), mask, False)
    assert y[:, 12:].abs().max() == 0
    for gradient in (du, ddelta, dB, dC, dz):
        assert gradient[:, 12:].abs().max() == 0
    # the loss weighs the entries of y by their place, which the padding moves for one sample not at all
    actual = [y[:, :12], state, du[:, :12], ddelta[:, :12], dA, dB[:, :12], dC[:, :12], dD, dbias, dz[:, :12]]
    assert_all_close(actual, expected, 1e-12)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_a_sequence_cut_in_two_carries_its_state_over(backend):
    x = direction(torch.Generator().manual_seed(9), 2, 30, 7, 16)

    def scan(part, initial):
        sequences = (t[:, part] for t in (x.u, x.delta, x.B, x.C))
        u, delta, B, C = sequences
        return selective_scan(
            *(u, delta, x.A, B, C, x.D, None, x.delta_bias), initial_state=initial, return_state=True, backend=backend
        )

    whole, last = scan(slice(None), x.initial_state)
    first, state = scan(slice(0, 13), x.initial_state)
    second, end = scan(slice(13, None), state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(end, last)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_nan_in_a_valid_position_is_nan_from_there_on(backend):
    x = direction(torch.Generator().manual_seed(10), 1, 20, 17, 16, dtype=torch.float32)
    u = x.u.detach().clone()
    u[0, 7, 3] = torch.nan
    y = selective_scan(u, x.delta, x.A, x.B, x.C, backend=backend)
    assert torch.isfinite(y[:, :7]).all()
    assert torch.isnan(y[:, 7:, 3]).all()
    assert torch.isfinite(y[..., :3]).all()


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_very_fast_decay_forgets_and_does_not_overflow(backend):
    x = direction(torch.Generator().manual_seed(11), 1, 40, 16, 16, dtype=torch.float32, initial=False)
    big = torch.full_like(x.delta, 60.0)
    A = torch.full_like(x.A, -50.0)
    y = selective_scan(x.u, big, A, x.B, x.C, backend=backend)
    expected = 60 * x.u * (x.B * x.C).sum(-1, keepdim=True)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
@pytest.mark.parametrize("shape", [(0, 4, 3, 2), (2, 0, 3, 2)])
def test_empty_batches_and_sequences_give_empty_results(backend, shape):
    x = direction(torch.Generator().manual_seed(0), *shape)
    y, state, *gradients = values_and_gradients(backend, x, None, None, False)
    assert y.shape == shape[:3]
    torch.testing.assert_close(state, x.initial_state)
    assert [g.shape for g in gradients] == [t.shape for t in x.tensors]


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_views_give_what_their_copies_give(backend):
    wide = torch.randn(2, 11, 64, dtype=torch.float64)
    u, delta, z, rest = wide.split([16, 16, 16, 16], -1)
    B, C = rest.split(8, -1)
    A = -torch.rand(8, 16, dtype=torch.float64).t()
    views = (u, delta, A, B, C, None, z)
    copies = tuple(None if t is None else t.contiguous() for t in views)
    torch.testing.assert_close(selective_scan(*views, backend=backend), selective_scan(*copies, backend=backend))


def test_the_compiled_scan_gives_the_same_bits_twice():
    x = direction(torch.Generator().manual_seed(2), 3, 40, 48, 16, dtype=torch.float32)
    first, second = (values_and_gradients("cpu", x, None, None, False) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_one_sample_is_split_over_the_threads_with_the_same_result(threads, backend):
    x = direction(torch.Generator().manual_seed(2), 1, 20, 300, 16)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        actual = values_and_gradients(backend, x, None, None, False)
    finally:
        torch.set_num_threads(before)
    assert_all_close(actual, values_and_gradients("reference", x, None, None, False), 1e-10)
