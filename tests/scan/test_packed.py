"""Packed rows, groups of channels and sequences in pieces: each equals what it stands for, run apart."""

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.scan import (
    CAUSAL_CONV1D,
    ScanInputs,
    available_backends,
    bidirectional_selective_scan,
    causal_conv1d,
    selective_scan,
)
from tests.scan.cases import assert_all_close, direction

SCANS = [name for name, reasons in available_backends().items() if reasons is None]
CONVOLUTIONS = [name for name, reasons in CAUSAL_CONV1D.available().items() if reasons is None]
LENGTHS = (7, 1, 20, 3)  # 31 steps: two chunks, with a border inside each
SEQ_IDX = torch.repeat_interleave(torch.tensor([5, 2, 5, 0]), torch.tensor(LENGTHS)).expand(2, -1)


def gradients(run, *tensors):
    """Outputs of `run` and the gradients of a weighted sum of them."""
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    outputs = run(*tensors)
    weights = [torch.cos(torch.arange(y.numel(), dtype=y.dtype)).view(y.shape) for y in outputs]
    loss = sum((y * w).sum() for y, w in zip(outputs, weights, strict=True))
    return [*outputs, *torch.autograd.grad(loss, tensors, materialize_grads=True, allow_unused=True)]


def scan_tensors(channels=21, states=5, seed=0):
    x = direction(torch.Generator().manual_seed(seed), 2, sum(LENGTHS), channels, states)
    return x.u, x.delta, x.A, x.B, x.C, x.D, torch.randn(2, sum(LENGTHS), channels).double(), x.delta_bias


def pieces(t):
    return t.split(LENGTHS, 1)


@pytest.mark.parametrize("backend", SCANS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_packed_row_equals_its_sequences_run_apart(backend, reverse):
    def packed(u, delta, A, B, C, D, z, bias):
        given = (u, delta, A, B, C, D, z, bias)
        return selective_scan(*given, reverse=reverse, seq_idx=SEQ_IDX, return_state=True, backend=backend)

    def apart(u, delta, A, B, C, D, z, bias):
        ran = [
            selective_scan(u, d, A, B, C, D, z, bias, reverse=reverse, return_state=True, backend="reference")
            for u, d, B, C, z in zip(*map(pieces, (u, delta, B, C, z)), strict=True)
        ]
        return torch.cat([y for y, _ in ran], 1), ran[0 if reverse else -1][1]

    tensors = scan_tensors()
    assert_all_close(gradients(packed, *tensors), gradients(apart, *tensors), 1e-10)


@pytest.mark.parametrize("backend", SCANS)
def test_in_float32_as_well(backend):
    given = [t.detach().float() for t in scan_tensors()]
    mine = selective_scan(*given, seq_idx=SEQ_IDX, backend=backend)
    assert_all_close([mine], [selective_scan(*given, seq_idx=SEQ_IDX, backend="reference")], 2e-6)


@pytest.mark.parametrize("backend", SCANS)
def test_both_directions_over_a_packed_row_with_padding(backend):
    u, delta, A, B, C, D, z, bias = scan_tensors()
    mask = torch.ones(2, sum(LENGTHS), dtype=torch.bool)
    mask[0, 5:9] = False  # the end of the first sequence, all of the second, the beginning of the third
    mask[1, -2:] = False

    def run(backend):
        forward, backward = ScanInputs(u, delta, A, B, C, D, bias), ScanInputs(u, delta, A, C, B)
        y = bidirectional_selective_scan(forward, backward, z=z, valid_mask=mask, seq_idx=SEQ_IDX, backend=backend)
        return [y, *torch.autograd.grad(y.square().sum(), (u, delta, A, B, C, D, bias))]

    assert_all_close(run(backend), run("reference"), 1e-10)
    # the valid steps of the third sequence alone
    ours = [t[:1, 9 : sum(LENGTHS[:3])] for t in (u, delta, B, C, z)]
    forward = selective_scan(ours[0], ours[1], A, ours[2], ours[3], D, None, bias, backend="reference")
    backward = selective_scan(ours[0], ours[1], A, ours[3], ours[2], reverse=True, backend="reference")
    expected = (forward + backward) * torch.nn.functional.silu(ours[4])
    assert_all_close([run(backend)[0][:1, 9 : sum(LENGTHS[:3])]], [expected], 1e-10)


@pytest.mark.parametrize("backend", SCANS)
def test_a_packed_row_goes_on_from_its_initial_state(backend):
    u, delta, A, B, C, *_ = (t.detach() for t in scan_tensors())
    h = torch.randn(2, *A.shape).double()
    y = selective_scan(u, delta, A, B, C, initial_state=h, seq_idx=SEQ_IDX, backend=backend)
    first = selective_scan(*(t[:, :7] for t in (u, delta)), A, B[:, :7], C[:, :7], initial_state=h, backend="reference")
    plain = selective_scan(u, delta, A, B, C, seq_idx=SEQ_IDX, backend="reference")
    assert_all_close([y[:, :7], y[:, 7:]], [first, plain[:, 7:]], 1e-10)


@pytest.mark.parametrize("backend", SCANS)
def test_groups_of_channels_have_a_b_and_c_of_their_own(backend):
    u, delta, A, _, _, D, z, bias = scan_tensors(channels=12, states=4)
    B, C = (torch.randn(2, sum(LENGTHS), 3, 4).double() for _ in range(2))

    def grouped(*given):
        return selective_scan(*given, return_state=True, backend=backend)

    def apart(u, delta, A, B, C, D, z, bias):
        own = [slice(4 * g, 4 * g + 4) for g in range(3)]
        ran = [
            selective_scan(
                *(u[..., s], delta[..., s], A[s], B[:, :, g], C[:, :, g], D[s], z[..., s], bias[s]),
                return_state=True,
                backend="reference",
            )
            for g, s in enumerate(own)
        ]
        return torch.cat([y for y, _ in ran], -1), torch.cat([h for _, h in ran], 1)

    given = (u, delta, A, B, C, D, z, bias)
    assert_all_close(gradients(grouped, *given), gradients(apart, *given), 1e-10)
    one = selective_scan(u, delta, A, B[:, :, :1], C[:, :, :1], backend=backend)
    assert_all_close([one], [selective_scan(u, delta, A, B[:, :, 0], C[:, :, 0], backend="reference")], 1e-10)


def convolution_tensors(width, channels=5):
    return [
        t.double()
        for t in (torch.randn(2, sum(LENGTHS), channels), torch.randn(channels, width), torch.randn(channels))
    ]


@pytest.mark.parametrize("backend", CONVOLUTIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_no_window_reaches_across_two_sequences(backend, reverse, width):
    def packed(x, weight, bias):
        return (causal_conv1d(x, weight, bias, reverse=reverse, seq_idx=SEQ_IDX, backend=backend),)

    def apart(x, weight, bias):
        options = {"reverse": reverse, "backend": "reference"}
        return (torch.cat([causal_conv1d(part, weight, bias, **options) for part in pieces(x)], 1),)

    tensors = convolution_tensors(width)
    assert_all_close(gradients(packed, *tensors), gradients(apart, *tensors), 1e-10)


@pytest.mark.parametrize("backend", CONVOLUTIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cut", [2, 10, 31])
def test_a_sequence_in_two_pieces_equals_the_whole(backend, reverse, cut):
    def whole(x, weight, bias, state):
        options = {"initial_state": state, "return_state": True, "reverse": reverse, "backend": "reference"}
        return causal_conv1d(x, weight, bias, **options)

    def in_pieces(x, weight, bias, state):
        options = {"return_state": True, "reverse": reverse, "backend": backend}
        parts = [x[:, :cut], x[:, cut:]]
        outputs = []
        for part in reversed(parts) if reverse else parts:
            y, state = causal_conv1d(part, weight, bias, initial_state=state, **options)
            outputs.append(y)
        return torch.cat(outputs[::-1] if reverse else outputs, 1), state

    tensors = [*convolution_tensors(4), torch.randn(2, 3, 5).double()]
    assert_all_close(gradients(in_pieces, *tensors), gradients(whole, *tensors), 1e-10)


def test_the_state_is_the_last_inputs_of_the_last_sequence_up_to_the_padding():
    x = torch.arange(1.0, 7.0)[None, :, None].repeat(3, 1, 1)
    weight, mask = torch.ones(1, 4), torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0], [0] * 6]).bool()
    options = {"valid_mask": mask, "return_state": True, "backend": "reference"}
    _, state = causal_conv1d(x, weight, **options)
    assert state[..., 0].tolist() == [[3, 4, 5], [0, 1, 2], [0, 0, 0]]
    _, state = causal_conv1d(x, weight, initial_state=-torch.ones(3, 3, 1), **options)
    assert state[..., 0].tolist() == [[3, 4, 5], [-1, 1, 2], [-1, -1, -1]]
    seq_idx = torch.tensor([[0, 0, 0, 0, 1, 1]]).expand(3, -1)
    _, state = causal_conv1d(x, weight, seq_idx=seq_idx, return_state=True)
    assert state[..., 0].tolist() == [[0, 5, 6]] * 3
    _, state = causal_conv1d(x, weight, seq_idx=seq_idx, return_state=True, reverse=True)
    assert state[..., 0].tolist() == [[3, 2, 1]] * 3


def test_what_does_not_fit_is_named():
    u, delta, A, B, C, *_ = scan_tensors(channels=12, states=4)
    with pytest.raises(InputError, match="seq_idx: expected integers"):
        selective_scan(u, delta, A, B, C, seq_idx=torch.zeros(2, 3, dtype=torch.int32))
    with pytest.raises(InputError, match="seq_idx: expected integers"):
        causal_conv1d(u, torch.ones(12, 4).double(), seq_idx=torch.zeros(2, 31))
    with pytest.raises(InputError, match="number of groups that divides the 12 channels, got 5"):
        selective_scan(u, delta, A, torch.ones(2, 31, 5, 4), C)
    with pytest.raises(InputError, match=r"C: expected shape \(2, 31, 3, 4\)"):
        selective_scan(u, delta, A, torch.ones(2, 31, 3, 4).double(), C)
    with pytest.raises(InputError, match=r"initial_state: expected \(2, 3, 12\)"):
        causal_conv1d(u, torch.ones(12, 4).double(), initial_state=torch.zeros(2, 4, 12))
