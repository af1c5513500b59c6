"""The smoothed neuron: a differentiable function whose true derivative is the surrogate gradient.

Around a fixed input the spike S(U) = [U >= th] is replaced by S0 + g(U - th) - g(U0 - th0), where U0, S0 and th0 are
what the reference gave at that input and g is the surrogate's primitive. At the input itself it equals the
reference; its derivative there is the surrogate's; and being smooth it can be differentiated by finite differences.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from snnvtg.neurons.lif import LIFParameters, lif_step
from snnvtg.neurons.surrogate import SURROGATES


def smoothed(parameters: LIFParameters, current: Tensor, v: Tensor, beta: Tensor, v_threshold: Tensor) -> Callable:
    """The smoothed neuron around these inputs: (current, v, beta, v_threshold) -> (spikes (T, ...), state (...))."""
    p, primitive = parameters, SURROGATES[parameters.surrogate].primitive
    fired, level, h = [], [], v
    for x in current.unbind(0):
        u = h + x
        s, h = lif_step(h, x, p, beta, v_threshold)
        fired.append(s.detach())
        level.append(primitive(u - v_threshold, p.surrogate_alpha).detach())

    def run(current: Tensor, h: Tensor, beta: Tensor, v_threshold: Tensor) -> tuple[Tensor, Tensor]:
        spikes = []
        for x, s0, g0 in zip(current.unbind(0), fired, level, strict=True):
            u = h + x
            s = s0 + primitive(u - v_threshold, p.surrogate_alpha) - g0
            back = s0 if p.detach_reset else s
            if p.soft:
                h = beta * (u - v_threshold * back)
            else:
                h = p.v_reset * back + beta * u * (1 - back)
            spikes.append(s)
        return torch.stack(spikes), h

    return run
