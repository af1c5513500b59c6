"""Spike encoders: real values in [0, 1] as spikes over T steps, for layers whose input is to be spikes as well.

    poisson   S[t] = 1 with probability p, each step on its own (a Bernoulli train): the mean over T tends to p
    latency   one spike at step ⌊(1 − p)(T + 1)⌋, none where that is T: the larger p, the earlier (time to first spike)

Latency has T + 1 equal levels, silence the lowest, so that T = 1 still tells two apart; with the usual T levels a
single step would fire for every value.

Gradients: Poisson passes the spikes' gradient to p (straight through; exact in expectation, E[S] = p). For latency the
spike is moved instead: the gradient is that of linear interpolation between neighbouring levels, so a larger p takes
from a step and gives to the one before it, and nothing where p is beyond the middle of the first level.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.leaf_ops import leaf_op

SpikeCode = Literal["poisson", "latency"]


@leaf_op("encode")
def encode(p: Tensor, code: SpikeCode, num_timesteps: int, *, seed: int | None = None) -> Tensor:
    """p (B, M, C) in [0, 1] -> spikes (T, B, M, C) in p's dtype.

    Poisson compares p with a threshold for every entry: drawn from torch's generator, or, with a `seed`, computed from
    (seed, t, m, c), see `hashed_uniform`.
    """
    if code not in get_args(SpikeCode):
        raise InputError(f"spike code: expected one of {', '.join(get_args(SpikeCode))}, got {code!r}")
    if num_timesteps < 1:
        raise InputError(f"num_timesteps: expected at least 1, got {num_timesteps}")
    if code == "latency":
        return _Latency.apply(p, num_timesteps)
    if seed is None:
        thresholds = torch.rand(num_timesteps, *p.shape, device=p.device)
    else:
        thresholds = hashed_uniform(seed, (num_timesteps, *p.shape[-2:]), p.device).unsqueeze(1)
    return _Poisson.apply(p, thresholds)


class _Poisson(torch.autograd.Function):
    @staticmethod
    def forward(p: Tensor, thresholds: Tensor) -> Tensor:
        return _or_nan((thresholds < p).to(p.dtype), p)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        pass

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad.sum(0), None


class _Latency(torch.autograd.Function):
    @staticmethod
    def forward(p: Tensor, num_timesteps: int) -> Tensor:
        level = ((1 - p.float()) * (num_timesteps + 1)).floor()
        return _or_nan((_steps(num_timesteps, p) == level).to(p.dtype), p)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.num_timesteps = inputs[1]

    @staticmethod
    def backward(ctx, grad: Tensor):
        (p,) = ctx.saved_tensors
        levels = ctx.num_timesteps + 1
        # where p lies among the levels' middles; between two of them one step gains what the other loses
        place = (1 - p.float()) * levels - 0.5
        before = place.floor()
        step = _steps(ctx.num_timesteps, p)
        moved = (step == before).to(grad.dtype) - (step == before + 1).to(grad.dtype)
        slope = (grad * moved).sum(0) * levels
        return torch.where(place > 0, slope, 0), None


def _or_nan(spikes: Tensor, p: Tensor) -> Tensor:
    """NaN where p is NaN, as a LIF layer has it: bad input never looks like silence."""
    return torch.where(p.isnan(), p, spikes)


def _steps(num_timesteps: int, like: Tensor) -> Tensor:
    return torch.arange(num_timesteps, device=like.device).view(-1, *[1] * like.dim())


def hashed_uniform(seed: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
    """Numbers in [0, 1) on a grid of 2⁻²⁴, a pure function of (seed, t, m, c): (T, M, C) f32, equal on every device.

    Evaluation needs noise that depends neither on the batch a sample is in nor on how far it is padded, nor on T.
    Independent numbers, not a low-discrepancy sequence: that would give each train T·p spikes almost exactly, a much
    quieter code than the Bernoulli trains of training. Samples share the numbers, so each meets the same noise.
    """
    state = torch.tensor(seed, device=device)
    for axis in shape:
        state = _scrambled(_scrambled(state).unsqueeze(-1) ^ torch.arange(axis, device=device))
    return (state >> 8).float() * 2.0**-24


def _scrambled(x: Tensor) -> Tensor:
    """An invertible mixing of 32-bit numbers held in int64 (xorshift and multiply, twice)."""
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return x ^ (x >> 15)


class SpikeEncoder(nn.Module):
    """Encodes tokens of any scale: p = σ(layer norm of the token), without weights of its own.

    The norm puts every token on one scale and the sigmoid is monotone, so order among a token's channels survives and
    no value is cut off; a learned gain would add parameters that the direct encoding does not have. Poisson draws anew
    at every call in training and is a fixed function of its input in evaluation; give each encoder of a model its own
    `seed`, so that their noise is not the same.
    """

    def __init__(self, code: SpikeCode, seed: int = 0):
        super().__init__()
        self.code, self.seed = code, seed

    def forward(self, x: Tensor, num_timesteps: int) -> Tensor:
        """x (B, M, C) -> spikes (T, B, M, C) in x's dtype."""
        p = torch.sigmoid(F.layer_norm(x, x.shape[-1:])).to(x.dtype)
        return encode(p, self.code, num_timesteps, seed=None if self.training else self.seed)

    def extra_repr(self) -> str:
        """Code and seed, for print(model)."""
        return f"{self.code!r}, seed={self.seed}"
