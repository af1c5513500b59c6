"""`torch`: the analytic gradient in plain torch operators, for machines without a compiler; any device.

Keeps only its inputs for the backward, which runs the recurrence again; see lif.cpp for the derivation. The backward is
differentiable in its turn, as often as the surrogate is.
"""

import torch
from torch import Tensor

from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.lif import LIFParameters
from snnvtg.neurons.surrogate import SURROGATES, heaviside, spike


def _currents(current: Tensor, num_timesteps: int | None, scale, shift, dtype: torch.dtype) -> list[Tensor]:
    """The current of each step in the state dtype."""

    def prepare(x: Tensor) -> Tensor:
        x = x.to(dtype)
        return x if scale is None else x * scale + shift

    if num_timesteps is None:
        return [prepare(x) for x in current.unbind(0)]
    return [prepare(current)] * num_timesteps


def _advance(h: Tensor, x: Tensor, p: LIFParameters, beta: Tensor, v_threshold: Tensor):
    """(potential, spikes, next state); the spikes have the surrogate's derivative unless the reset is detached."""
    u = h + x
    if p.detach_reset:
        s = heaviside(u.detach(), v_threshold.detach())
    else:
        s = spike(u, v_threshold, p.surrogate, p.surrogate_alpha)
    if p.soft:
        return u, s, beta * (u - v_threshold * s)
    return u, s, p.v_reset * s + (beta * u) * (1 - s)


def _retrace(xs: list[Tensor], v: Tensor | None, p: LIFParameters, beta: Tensor, v_threshold: Tensor):
    """Potential and spikes of each step once more."""
    h, passed = torch.zeros_like(xs[0]) if v is None else v, []
    for t, x in enumerate(xs):
        if p.truncate and t and t % p.truncate == 0:
            h = h.detach()
        u, s, h = _advance(h, x, p, beta, v_threshold)
        passed.append((u, s))
    return passed


class _LIF(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(current, v, beta, v_threshold, scale, shift, parameters, num_timesteps, mean, trace):
        xs = _currents(current, num_timesteps, scale, shift, beta.dtype)
        h = torch.zeros_like(xs[0]) if v is None else v
        total, spikes, potentials = torch.zeros_like(xs[0]), [], []
        for x in xs:
            u, s, h = _advance(h, x, parameters, beta, v_threshold)
            if trace:
                potentials.append(u)
            if mean:
                total = total + s
            else:
                spikes.append(s.to(current.dtype))
        out = (total / len(xs)).to(current.dtype) if mean else torch.stack(spikes)
        return out, h, torch.stack(potentials) if trace else current.new_empty(0)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs[:6])
        ctx.parameters, ctx.num_timesteps, ctx.mean, ctx.trace = inputs[6:]

    @staticmethod
    def backward(ctx, grad_out, grad_h, grad_potential):
        current, v, beta, v_threshold, scale, shift = ctx.saved_tensors
        p, needs = ctx.parameters, ctx.needs_input_grad
        xs = _currents(current, ctx.num_timesteps, scale, shift, beta.dtype)
        passed = _retrace(xs, v, p, beta, v_threshold)
        derivative = SURROGATES[p.surrogate].derivative
        grads, grad_beta, grad_threshold = [], torch.zeros_like(grad_h), torch.zeros_like(grad_h)
        for t in reversed(range(len(xs))):
            u, s = passed[t]
            gs = grad_out.to(beta.dtype) / len(xs) if ctx.mean else grad_out[t].to(beta.dtype)
            sg = derivative(u - v_threshold, p.surrogate_alpha)
            through_spike = -beta * v_threshold if p.soft else p.v_reset - beta * u
            to_spike = gs if p.detach_reset else gs + grad_h * through_spike
            if needs[2]:
                grad_beta = grad_beta + grad_h * (u - v_threshold * s if p.soft else u * (1 - s))
            if needs[3]:
                grad_threshold = grad_threshold - to_spike * sg - (grad_h * beta * s if p.soft else 0)
            grad_h = to_spike * sg + grad_h * (beta if p.soft else beta * (1 - s))
            if ctx.trace:
                grad_h = grad_h + grad_potential[t]
            grads.append(grad_h)
            if p.truncate and t and t % p.truncate == 0:
                grad_h = torch.zeros_like(grad_h)
        return _gather(ctx, grads[::-1], current, beta, v_threshold, scale, grad_beta, grad_threshold)


def _gather(ctx, grads, current, beta, v_threshold, scale, grad_beta, grad_threshold):
    """Gradients in the order of forward's arguments, from the gradient of the potential at each step."""
    needs = ctx.needs_input_grad
    repeated = ctx.num_timesteps is not None
    driven = sum(grads) if repeated else torch.stack(grads)
    grad_scale = grad_shift = None
    if scale is not None:
        grad_scale = (driven * current.to(driven.dtype)).sum_to_size(scale.shape) if needs[4] else None
        grad_shift = driven.sum_to_size(scale.shape) if needs[5] else None
        driven = driven * scale
    return (
        driven.to(current.dtype) if needs[0] else None,
        grads[0] if needs[1] else None,
        grad_beta.sum_to_size(beta.shape) if needs[2] else None,
        grad_threshold.sum_to_size(v_threshold.shape) if needs[3] else None,
        grad_scale,
        grad_shift,
        *(None,) * 4,
    )


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, ...]:
    tensors = (inputs.current, inputs.v, inputs.beta, inputs.v_threshold, inputs.scale, inputs.shift)
    results = _LIF.apply(*tensors, neuron.parameters, inputs.num_timesteps, inputs.mean, inputs.trace)
    return results if inputs.trace else results[:2]


TORCH = Backend("torch", _run, refuses=lambda neuron: neuron.beyond_one_state)
