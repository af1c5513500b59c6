"""`snntorch`: snnTorch's Leaky neuron, stepped over T, set so that it equals Eq. 4.

`reset_delay=True` makes Leaky reset at the next step from the potential it carries, which is Eq. 4's order with the
potential U as its state; the spike function it is given fires on >= where its own fires on >. Leaky detaches the
reset, always. The carried potential U at the end becomes this package's state H = beta * (U after its reset).
"""

import torch
from torch import Tensor

from snnvtg.errors import BackendError
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.surrogate import spike

REMEDY = "Install it with: pip install snntorch; or use a hard reset to 0 and detach_reset=True; or backend 'fused'."


def _missing(device: str) -> list[str]:
    try:
        import snntorch  # noqa: F401
    except ImportError as error:
        return [f"snntorch does not import ({error})"]
    return []


def _refuses(neuron: Neuron) -> list[str]:
    p, reasons = neuron.parameters, neuron.beyond_a_library
    if not p.detach_reset:
        reasons.append("snnTorch always detaches the reset gradient (detach_reset=False asked for)")
    if p.v_reset != 0:
        reasons.append(f"snnTorch resets to 0 only (v_reset={p.v_reset} asked for)")
    if p.soft:
        reasons.append(
            "snnTorch subtracts the threshold after the leak, not before it: "
            "beta * U - v_threshold * S instead of beta * (U - v_threshold * S)"
        )
    return reasons


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, Tensor]:
    import snntorch

    p = neuron.parameters
    if p.learn_beta and not ((inputs.beta >= 0) & (inputs.beta <= 1)).all():
        reason = (
            f"Leaky clamps beta to [0, 1] and the learned one reaches {inputs.beta.min():g} to {inputs.beta.max():g}"
        )
        raise BackendError("snntorch", [reason], REMEDY)
    zero = torch.zeros((), dtype=inputs.beta.dtype)

    def fire(shifted: Tensor) -> Tensor:
        return spike(shifted, zero, p.surrogate, p.surrogate_alpha)

    leaky = snntorch.Leaky(
        beta=inputs.beta, threshold=inputs.v_threshold, spike_grad=fire, reset_mechanism="zero", reset_delay=True
    )
    # snnTorch keeps every neuron ever made in a class-wide list; this one lives for one call only
    snntorch.SpikingNeuron.instances.remove(leaky)
    driven = inputs.driven().to(inputs.beta.dtype)
    spikes, potential = [], torch.zeros_like(driven[0])
    for t, x in enumerate(driven.unbind(0)):
        # the initial state enters with the first current: U[1] = v + X[1]
        s, potential = leaky(x if t or inputs.v is None else inputs.v + x, potential)
        spikes.append(s.to(inputs.current.dtype))
    v = inputs.beta * potential * (1 - s.detach())
    return inputs.delivered(torch.stack(spikes)), v


SNNTORCH = Backend(
    "snntorch",
    missing=_missing,
    refuses=_refuses,
    run=_run,
    remedy=REMEDY,
    transforms=False,
)
