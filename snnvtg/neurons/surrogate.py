"""Surrogate gradients: what stands in for the derivative of the spike, dS/dx at x = U - v_threshold.

Each has a number (the kernels know it by that), a derivative, and the smooth primitive whose derivative it is; the
conformance suite differentiates the primitive by finite differences. `alpha` is the sharpness, in the convention of
SpikingJelly where it has the function (atan, sigmoid, piecewise_quadratic, piecewise_exp, soft_sign, super_spike,
erf, rectangular) and of snnTorch for `fast_sigmoid` (its slope) and `straight_through` (no parameter).

A surrogate of your own is one call, and from then on a name like the others:

    >>> _ = register_surrogate("triangle", lambda x, alpha: (1 - alpha * x.abs()).clamp_min(0))
    >>> potential = torch.tensor([0.75, 1.0], requires_grad=True)
    >>> spike(potential, torch.tensor(1.0), "triangle", 2.0).sum().backward()
    >>> potential.grad.tolist()
    [0.5, 1.0]
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from snnvtg.errors import InputError

Curve = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Surrogate:
    """A surrogate gradient: its number in the kernels, its derivative and primitive, each a function of (x, alpha).

    One that the kernels do not know has no number; one without a primitive cannot be checked by finite differences.
    """

    number: int | None
    derivative: Curve
    primitive: Curve | None


def _atan(x: Tensor, alpha: float) -> Tensor:
    z = (math.pi / 2 * alpha) * x
    return (alpha / 2) / (1 + z * z)


def _sigmoid(x: Tensor, alpha: float) -> Tensor:
    s = torch.sigmoid(alpha * x)
    return alpha * s * (1 - s)


def _soft_sign(x: Tensor, alpha: float) -> Tensor:
    z = 1 + alpha * x.abs()
    return (alpha / 2) / (z * z)


def _super_spike(x: Tensor, alpha: float) -> Tensor:
    z = 1 + x.abs()
    return alpha / (z * z)


def _fast_sigmoid(x: Tensor, alpha: float) -> Tensor:
    z = 1 + alpha * x.abs()
    return 1 / (z * z)


def _piecewise_quadratic_primitive(x: Tensor, alpha: float) -> Tensor:
    inside = x.clamp(-1 / alpha, 1 / alpha)
    return 0.5 + alpha * inside - 0.5 * alpha**2 * inside * inside.abs()


def _piecewise_exp_primitive(x: Tensor, alpha: float) -> Tensor:
    half = 0.5 * torch.exp(-alpha * x.abs())
    return torch.where(x < 0, half, 1 - half)


SURROGATES: dict[str, Surrogate] = {
    "atan": Surrogate(0, _atan, lambda x, a: torch.atan(math.pi / 2 * a * x) / math.pi + 0.5),
    "sigmoid": Surrogate(1, _sigmoid, lambda x, a: torch.sigmoid(a * x)),
    "piecewise_quadratic": Surrogate(
        2, lambda x, a: (a - a * a * x.abs()).clamp_min(0), _piecewise_quadratic_primitive
    ),
    "piecewise_exp": Surrogate(3, lambda x, a: (a / 2) * torch.exp(-a * x.abs()), _piecewise_exp_primitive),
    "soft_sign": Surrogate(4, _soft_sign, lambda x, a: 0.5 * (a * x / (1 + a * x.abs()) + 1)),
    "super_spike": Surrogate(5, _super_spike, lambda x, a: a * x / (1 + x.abs())),
    "erf": Surrogate(
        6,
        lambda x, a: (a / math.sqrt(math.pi)) * torch.exp(-(a * x) * (a * x)),
        lambda x, a: 0.5 * torch.erfc(-a * x),
    ),
    "fast_sigmoid": Surrogate(7, _fast_sigmoid, lambda x, a: x / (1 + a * x.abs())),
    "rectangular": Surrogate(
        8, lambda x, a: torch.where(x.abs() < 0.5 / a, a, 0.0).to(x), lambda x, a: (a * x + 0.5).clamp(0, 1)
    ),
    "straight_through": Surrogate(9, lambda x, a: torch.ones_like(x), lambda x, a: x),
}


def register_surrogate(name: str, derivative: Curve, primitive: Curve | None = None) -> Surrogate:
    """Make a surrogate of your own known by name; `derivative(x, alpha)` in torch operators, of x's shape and dtype.

    Kernels do not know it, so backend `fused` refuses it and `auto` takes `torch`. Raises InputError where the name is
    taken.
    """
    if name in SURROGATES:
        raise InputError(f"surrogate {name!r}: the name is taken; choose another")
    SURROGATES[name] = Surrogate(None, derivative, primitive)
    return SURROGATES[name]


class _Spike(torch.autograd.Function):
    """Heaviside step forward (1 at the threshold, NaN for NaN), surrogate backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, v_threshold: Tensor, surrogate: str, alpha: float) -> Tensor:
        return heaviside(u, v_threshold)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.surrogate, ctx.alpha = inputs[2:]

    @staticmethod
    def backward(ctx, grad: Tensor):
        u, v_threshold = ctx.saved_tensors
        grad_u = grad * SURROGATES[ctx.surrogate].derivative(u - v_threshold, ctx.alpha)
        grad_threshold = -grad_u.sum_to_size(v_threshold.shape) if ctx.needs_input_grad[1] else None
        return grad_u, grad_threshold, None, None


class _DualSpike(_Spike):
    """The same with a forward-mode derivative; torch.compile traces no function that has one."""

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _Spike.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs[:2])

    @staticmethod
    def jvp(ctx, tangent: Tensor | None, threshold_tangent: Tensor | None, *rest):
        u, v_threshold = ctx.saved_tensors
        moved = (0 if tangent is None else tangent) - (0 if threshold_tangent is None else threshold_tangent)
        return moved * SURROGATES[ctx.surrogate].derivative(u - v_threshold, ctx.alpha)


class _TracedSpike(torch.autograd.Function):
    """The same from a slope made outside: torch.compile(dynamic=True) takes no float into a function of autograd."""

    @staticmethod
    def forward(u: Tensor, v_threshold: Tensor, slope: Tensor) -> Tensor:
        return heaviside(u, v_threshold)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx, grad: Tensor):
        v_threshold, slope = ctx.saved_tensors
        grad_u = grad * slope
        return grad_u, -grad_u.sum_to_size(v_threshold.shape) if ctx.needs_input_grad[1] else None, None


def heaviside(u: Tensor, v_threshold: Tensor) -> Tensor:
    """1 where `u` >= `v_threshold`, else 0; NaN where `u` is NaN, so that bad input never looks like silence."""
    return torch.where(u.isnan(), u, (u >= v_threshold).to(u.dtype))


def spike(u: Tensor, v_threshold: Tensor, surrogate: str, alpha: float) -> Tensor:
    """Spikes of the potential `u` (...) against `v_threshold` (broadcastable); the surrogate's gradient to both."""
    if torch.compiler.is_compiling():
        slope = SURROGATES[surrogate].derivative(u - v_threshold, alpha)
        return _TracedSpike.apply(u, v_threshold, slope.expand_as(u))
    function = _DualSpike if forward_ad._current_level >= 0 else _Spike
    return function.apply(u, v_threshold, surrogate, alpha)
