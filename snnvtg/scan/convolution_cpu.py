"""The compiled CPU causal convolution as one torch operator."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from snnvtg import native
from snnvtg.backends import only_on
from snnvtg.errors import InputError
from snnvtg.scan.cpu_kernels import REMEDY, build_problems, library, pointer
from snnvtg.scan.inputs import compute_dtype, fits
from snnvtg.scan.transforms import differentiable, forward_mode, is_tracing, refuse_twice

__all__ = ["REMEDY", "missing", "refuses", "run"]

NAME = "causal_conv1d"
WIDEST = 16  # as in causal_conv1d.cpp


def missing(device_type: str) -> list[str]:
    return only_on("cpu")(device_type) or build_problems(NAME)


def refuses(call) -> list[str]:
    width = call.weight.shape[1]
    wide = [] if width <= WIDEST else [f"its kernel width is at most {WIDEST}, this one is {width}"]
    return wide + forward_mode()


@dataclass(frozen=True)
class Settings:
    """What of a call is no tensor."""

    silu: bool
    reverse: bool

    @property
    def flags(self) -> tuple[bool, bool]:
        return self.silu, self.reverse


def run(call) -> Tensor:
    """(B, L, D) in the type of x."""
    dtype = compute_dtype(call.x.dtype)
    bias = None if call.bias is None else call.bias.to(dtype)
    seq_idx = None if call.seq_idx is None else call.seq_idx.to(torch.int32)
    settings = Settings(call.activation == "silu", call.reverse)
    tensors = (call.x.to(dtype), call.weight.to(dtype), bias, call.valid_mask, seq_idx)
    y = _convolution(*tensors, *settings.flags) if is_tracing() else _apply(settings, *tensors)[0]
    return y.to(call.x.dtype)


def _call(kernel: str, tensors: list, settings: tuple[bool, bool], results: list[Tensor]) -> None:
    x, taps, bias, valid_mask, seq_idx, *grad_y = tensors
    name = "causal_conv1d operator"
    fits(name, taps, (taps.shape[0], x.shape[2]), x.dtype)
    fits(name, bias, (x.shape[2],), x.dtype)
    fits(f"{name}, valid_mask", valid_mask, x.shape[:2], torch.bool)
    fits(f"{name}, seq_idx", seq_idx, x.shape[:2], torch.int32)
    for tensor in grad_y:
        fits(f"{name}, backward", tensor, x.shape, x.dtype)
    if not 1 <= taps.shape[0] <= WIDEST:
        raise InputError(f"{name}: expected a width of 1 to {WIDEST}, got {taps.shape[0]}")
    suffix = "double" if x.dtype == torch.float64 else "float"
    sizes = (ctypes.c_int64 * 4)(*x.shape, taps.shape[0])
    pointers = [ctypes.c_void_p(pointer(tensor)) for tensor in tensors]
    outputs = [ctypes.c_void_p(pointer(tensor)) for tensor in results]
    flags = map(ctypes.c_int64, settings)
    function = getattr(library(NAME), f"convolution_{kernel}_{suffix}")
    function(*pointers, ctypes.byref(sizes), *flags, *outputs, ctypes.c_int64(native.num_threads()))


@torch.library.custom_op("snnvtg::causal_conv1d", mutates_args=())
def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    valid_mask: Tensor | None,
    seq_idx: Tensor | None,
    silu: bool,
    reverse: bool,
) -> Tensor:
    tensors = [None if t is None else t.contiguous() for t in (x, weight.t(), bias, valid_mask, seq_idx)]
    y = x.new_empty(x.shape)
    _call("forward", tensors, (silu, reverse), [y])
    return y


@_convolution.register_fake
def _(x, weight, bias, valid_mask, seq_idx, silu, reverse):
    return x.new_empty(x.shape)


@torch.library.custom_op("snnvtg::causal_conv1d_backward", mutates_args=())
def _convolution_backward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    valid_mask: Tensor | None,
    seq_idx: Tensor | None,
    grad_y: Tensor,
    silu: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    tensors = [None if t is None else t.contiguous() for t in (x, weight.t(), bias, valid_mask, seq_idx, grad_y)]
    grad_x, grad_bias = x.new_empty(x.shape), x.new_empty(x.shape[0], x.shape[2])
    grad_weight = x.new_empty(x.shape[0], *tensors[1].shape)
    _call("backward", tensors, (silu, reverse), [grad_x, grad_weight, grad_bias])
    return grad_x, grad_weight.sum(0).t().contiguous(), grad_bias.sum(0)


@_convolution_backward.register_fake
def _(x, weight, bias, valid_mask, seq_idx, grad_y, silu, reverse):
    return x.new_empty(x.shape), weight.new_empty(weight.shape), x.new_empty(x.shape[2])


def _forward(settings: Settings, tensors) -> tuple[Tensor]:
    return (_convolution(*tensors, *settings.flags),)


def _backward(settings: Settings, tensors, kept, grads) -> list[Tensor | None]:
    grad_x, grad_weight, grad_bias = _convolution_backward(*tensors, grads[0], *settings.flags)
    return [grad_x, grad_weight, None if tensors[2] is None else grad_bias, None, None]


_apply = differentiable(_forward, _backward, lambda settings: 1)


def _keep_for_backward(ctx, inputs, output):
    *tensors, silu, reverse = inputs
    ctx.settings = Settings(silu, reverse)
    ctx.save_for_backward(*tensors)


def _backward_of_operator(ctx, grad_y):
    return *_backward(ctx.settings, ctx.saved_tensors, (), (grad_y,)), None, None


_convolution.register_autograd(_backward_of_operator, setup_context=_keep_for_backward)
_convolution_backward.register_autograd(refuse_twice)
