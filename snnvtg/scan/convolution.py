"""The short depthwise convolution before a selective scan, causal or anticausal, channels last."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.backends import Backend, Operation
from snnvtg.errors import InputError
from snnvtg.leaf_ops import leaf_op
from snnvtg.scan import convolution_cpu, external
from snnvtg.scan.convolution_state import last_inputs, prepend
from snnvtg.scan.inputs import check_mask, check_seq_idx, compute_dtype, numbered


@dataclass(frozen=True)
class Convolution:
    """A checked call."""

    x: Tensor  # (B, L, D)
    weight: Tensor  # (D, K)
    bias: Tensor | None  # (D,)
    activation: str | None
    valid_mask: Tensor | None  # (B, L) bool
    reverse: bool
    seq_idx: Tensor | None = None  # (B, L), integers: where it changes along a row, the next sequence begins

    @property
    def device(self) -> torch.device:
        return self.x.device

    def masked_x(self) -> Tensor:
        """x with zeros at invalid positions, whatever stood there."""
        return self.x if self.valid_mask is None else torch.where(self.valid_mask[..., None], self.x, 0)


def _finish(call: Convolution, y: Tensor) -> Tensor:
    y = F.silu(y) if call.activation == "silu" else y
    y = y if call.valid_mask is None else torch.where(call.valid_mask[..., None], y, 0)
    return y.to(call.x.dtype)


def _run_reference(call: Convolution) -> Tensor:
    """y_t = Σ_k w_k x_{t-K+1+k} + b as shifted copies; zeros stand before the first step."""
    dtype = compute_dtype(call.x.dtype)
    x, weight = call.masked_x().to(dtype), call.weight.to(dtype)
    length, width = x.shape[1], weight.shape[1]
    y = torch.zeros_like(x) if call.bias is None else call.bias.to(dtype).expand_as(x)
    rows = (0, 0, 0, width - 1) if call.reverse else (0, 0, width - 1, 0)
    padded, sequence = F.pad(x, rows), None if call.seq_idx is None else numbered(call.seq_idx)
    neighbours = None if sequence is None else F.pad(sequence, rows[2:])
    for k in range(width):
        start = width - 1 - k if call.reverse else k
        shifted = padded[:, start : start + length]
        if sequence is not None:
            shifted = torch.where((neighbours[:, start : start + length] == sequence)[..., None], shifted, 0)
        y = y + shifted * weight[:, k]
    return _finish(call, y)


def _run_torch(call: Convolution) -> Tensor:
    if call.seq_idx is not None:
        return _run_reference(call)
    dtype = compute_dtype(call.x.dtype)
    x, weight = call.masked_x().to(dtype).transpose(1, 2), call.weight.to(dtype)
    bias = None if call.bias is None else call.bias.to(dtype)
    width = weight.shape[1]
    x = F.pad(x, (0, width - 1) if call.reverse else (width - 1, 0))
    weight = weight.flip(1) if call.reverse else weight
    # autocast would round what goes into the product
    with torch.autocast(x.device.type, enabled=False):
        y = F.conv1d(x, weight[:, None], bias, groups=x.shape[1])
    return _finish(call, y.transpose(1, 2))


CAUSAL_CONV1D = Operation(
    "causal_conv1d",
    (
        Backend("reference", _run_reference),
        Backend("cpu", convolution_cpu.run, convolution_cpu.REMEDY, convolution_cpu.missing, convolution_cpu.refuses),
        Backend("torch", _run_torch),
        Backend(
            "causal-conv1d",
            external.run_convolution,
            external.CONVOLUTION_REMEDY,
            external.convolution_missing,
            external.convolution_refuses,
        ),
    ),
    {"cpu": ("cpu", "torch"), "cuda": ("causal-conv1d", "torch")},
)


@leaf_op("causal_conv1d")
def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str | None = "silu",
    valid_mask: Tensor | None = None,
    reverse: bool = False,
    seq_idx: Tensor | None = None,
    initial_state: Tensor | None = None,
    return_state: bool = False,
    backend: str = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """y_t = activation(Σ_k weight_k x_{t-K+1+k} + bias), each channel by itself; with `reverse`, x_{t+K-1-k}.

    Shapes: x (B, L, D), weight (D, K), bias (D,), valid_mask (B, L) bool; activation "silu" or None. Invalid positions
    count as zeros and give 0. `seq_idx` (B, L), integers: where it changes along a row the next sequence begins, and no
    window reaches across. `initial_state` (B, K - 1, D): the inputs before the first step, oldest first, zeros by
    default. Returns (B, L, D) in x's type; with `return_state` also the K - 1 inputs up to the last valid step, in scan
    order. Raises InputError on a wrong shape, BackendError where the backend named cannot run.
    """
    call = Convolution(x, weight, bias, activation, valid_mask, reverse, seq_idx)
    _check(call, initial_state)
    with_history = call if initial_state is None else prepend(call, initial_state)
    y = CAUSAL_CONV1D.choose(backend, x.device.type, call).run(with_history)
    if initial_state is not None:
        y = y[:, : x.shape[1]] if reverse else y[:, initial_state.shape[1] :]
    return (y, last_inputs(call, initial_state)) if return_state else y


def _check(call: Convolution, initial_state: Tensor | None) -> None:
    x, weight, bias = call.x, call.weight, call.bias
    if x.dim() != 3:
        raise InputError(f"x: expected (B, L, D), got shape {tuple(x.shape)}")
    if weight.dim() != 2 or weight.shape[0] != x.shape[2] or weight.shape[1] < 1:
        raise InputError(f"weight: expected ({x.shape[2]}, K), got shape {tuple(weight.shape)}")
    if bias is not None and tuple(bias.shape) != (x.shape[2],):
        raise InputError(f"bias: expected ({x.shape[2]},), got shape {tuple(bias.shape)}")
    if call.activation not in ("silu", None):
        raise InputError(f"activation: expected 'silu' or None, got {call.activation!r}")
    if call.valid_mask is not None:
        check_mask(call.valid_mask, tuple(x.shape[:2]), x.device)
    if call.seq_idx is not None:
        check_seq_idx(call.seq_idx, tuple(x.shape[:2]), x.device)
    expected = (x.shape[0], weight.shape[1] - 1, x.shape[2])
    if initial_state is not None and tuple(initial_state.shape) != expected:
        raise InputError(f"initial_state: expected {expected}, got shape {tuple(initial_state.shape)}")
