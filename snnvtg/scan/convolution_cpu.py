"""The compiled CPU causal convolution as one torch operator."""

import ctypes

import torch
from torch import Tensor

from snnvtg.backends import only_on
from snnvtg.scan.cpu_kernels import REMEDY, build_problems, library, pointer
from snnvtg.scan.inputs import compute_dtype

__all__ = ["REMEDY", "missing", "refuses", "run"]

NAME = "causal_conv1d"
WIDEST = 16  # as in causal_conv1d.cpp


def missing(device_type: str) -> list[str]:
    return only_on("cpu")(device_type) or build_problems(NAME)


def refuses(call) -> list[str]:
    width = call.weight.shape[1]
    return [] if width <= WIDEST else [f"its kernel width is at most {WIDEST}, this one is {width}"]


def run(call) -> Tensor:
    """(B, L, D) in the type of x."""
    dtype = compute_dtype(call.x.dtype)
    bias = None if call.bias is None else call.bias.to(dtype)
    silu = call.activation == "silu"
    y = _convolution(call.x.to(dtype), call.weight.to(dtype), bias, call.valid_mask, silu, call.reverse)
    return y.to(call.x.dtype)


def _call(kernel: str, x: Tensor, width: int, tensors: list, silu: bool, reverse: bool, results: list[Tensor]) -> None:
    suffix = "double" if x.dtype == torch.float64 else "float"
    sizes = (ctypes.c_int64 * 4)(*x.shape, width)
    pointers = [ctypes.c_void_p(pointer(tensor)) for tensor in tensors]
    outputs = [ctypes.c_void_p(pointer(tensor)) for tensor in results]
    flags = ctypes.c_int64(silu), ctypes.c_int64(reverse)
    function = getattr(library(NAME), f"convolution_{kernel}_{suffix}")
    function(*pointers, ctypes.byref(sizes), *flags, *outputs, ctypes.c_int64(torch.get_num_threads()))


@torch.library.custom_op("snnvtg::causal_conv1d", mutates_args=())
def _convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, valid_mask: Tensor | None, silu: bool, reverse: bool
) -> Tensor:
    x, taps = x.contiguous(), weight.t().contiguous()
    y = torch.empty_like(x)
    bias, valid_mask = (None if t is None else t.contiguous() for t in (bias, valid_mask))
    _call("forward", x, weight.shape[1], [x, taps, bias, valid_mask], silu, reverse, [y])
    return y


@_convolution.register_fake
def _(x, weight, bias, valid_mask, silu, reverse):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@torch.library.custom_op("snnvtg::causal_conv1d_backward", mutates_args=())
def _convolution_backward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    valid_mask: Tensor | None,
    grad_y: Tensor,
    silu: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    x, taps, grad_y = x.contiguous(), weight.t().contiguous(), grad_y.contiguous()
    bias, valid_mask = (None if t is None else t.contiguous() for t in (bias, valid_mask))
    grad_x = torch.empty_like(x)
    grad_weight, grad_bias = x.new_empty(x.shape[0], *taps.shape), x.new_empty(x.shape[0], x.shape[2])
    tensors = [x, taps, bias, valid_mask, grad_y]
    _call("backward", x, weight.shape[1], tensors, silu, reverse, [grad_x, grad_weight, grad_bias])
    return grad_x, grad_weight.sum(0).t().contiguous(), grad_bias.sum(0)


@_convolution_backward.register_fake
def _(x, weight, bias, valid_mask, grad_y, silu, reverse):
    plain = torch.contiguous_format
    return (
        torch.empty_like(x, memory_format=plain),
        torch.empty_like(weight, memory_format=plain),
        x.new_empty(x.shape[2]),
    )


def _keep_for_backward(ctx, inputs, output):
    *tensors, ctx.silu, ctx.reverse = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx, grad_y):
    x, weight, bias, valid_mask = ctx.saved_tensors
    grad_x, grad_weight, grad_bias = _convolution_backward(x, weight, bias, valid_mask, grad_y, ctx.silu, ctx.reverse)
    return grad_x, grad_weight, None if bias is None else grad_bias, None, None, None


_convolution.register_autograd(_backward, setup_context=_keep_for_backward)
