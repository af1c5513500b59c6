"""`torch`: the analytic gradient in plain torch operators, for machines without a compiler; any device.

Keeps only its inputs for the backward, which runs the recurrence again; see lif.cpp for the derivation.
"""

import torch
from torch import Tensor

from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.lif import LIFParameters
from snnvtg.neurons.surrogate import SURROGATES, heaviside


def _currents(current: Tensor, num_timesteps: int | None, scale, shift, dtype: torch.dtype) -> list[Tensor]:
    """The current of each step in the state dtype."""

    def prepare(x: Tensor) -> Tensor:
        x = x.to(dtype)
        return x if scale is None else x * scale + shift

    if num_timesteps is None:
        return [prepare(x) for x in current.unbind(0)]
    return [prepare(current)] * num_timesteps


def _advance(h: Tensor, x: Tensor, p: LIFParameters, beta: Tensor, v_threshold: Tensor):
    u = h + x
    s = heaviside(u, v_threshold)
    if p.soft:
        return u, s, beta * (u - v_threshold * s)
    return u, s, p.v_reset * s + (beta * u) * (1 - s)


class _LIF(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(current, v, beta, v_threshold, scale, shift, parameters, num_timesteps, mean):
        xs = _currents(current, num_timesteps, scale, shift, beta.dtype)
        h = torch.zeros_like(xs[0]) if v is None else v
        total, spikes = torch.zeros_like(xs[0]) if mean else None, []
        for x in xs:
            _, s, h = _advance(h, x, parameters, beta, v_threshold)
            if mean:
                total += s
            else:
                spikes.append(s.to(current.dtype))
        out = (total / len(xs)).to(current.dtype) if mean else torch.stack(spikes)
        # a state that is an input (no step changes it) may not be returned as an output
        return out, h.clone() if h is v else h

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs[:6])
        ctx.parameters, ctx.num_timesteps, ctx.mean = inputs[6:]

    @staticmethod
    def backward(ctx, grad_out, grad_h):
        current, v, beta, v_threshold, scale, shift = ctx.saved_tensors
        p = ctx.parameters
        xs = _currents(current, ctx.num_timesteps, scale, shift, beta.dtype)
        h, potentials = torch.zeros_like(xs[0]) if v is None else v, []
        for x in xs:
            u, _, h = _advance(h, x, p, beta, v_threshold)
            potentials.append(u)
        derivative = SURROGATES[p.surrogate].derivative
        needs = ctx.needs_input_grad
        grads, grad_beta, grad_threshold = [], torch.zeros_like(h), torch.zeros_like(h)
        for t in reversed(range(len(xs))):
            u, gs = potentials[t], grad_out / len(xs) if ctx.mean else grad_out[t].to(beta.dtype)
            sg, s = derivative(u - v_threshold, p.surrogate_alpha), heaviside(u, v_threshold)
            through_spike = -beta * v_threshold if p.soft else p.v_reset - beta * u
            to_spike = gs if p.detach_reset else gs + grad_h * through_spike
            if needs[2]:
                grad_beta += grad_h * (u - v_threshold * s if p.soft else u * (1 - s))
            if needs[3]:
                grad_threshold -= to_spike * sg + (grad_h * beta * s if p.soft else 0)
            grad_h = to_spike * sg + grad_h * (beta if p.soft else beta * (1 - s))
            grads.append(grad_h)
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
        None,
        None,
        None,
    )


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, Tensor]:
    tensors = (inputs.current, inputs.v, inputs.beta, inputs.v_threshold, inputs.scale, inputs.shift)
    return _LIF.apply(*tensors, neuron.parameters, inputs.num_timesteps, inputs.mean)


TORCH = Backend("torch", _run)
