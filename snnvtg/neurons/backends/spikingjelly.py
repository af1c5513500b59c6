"""`spikingjelly`: SpikingJelly 2.x's multi-step LIF, set so that it equals Eq. 4.

tau = 1 / (1 - beta), decay_input=False and v_reset=0 make its leak the paper's; it dispatches by device itself. Its
state V is taken after the reset and before the leak, ours after both: H = beta V. Its `V - V / tau` rounds like
`beta * V` only where beta is 1/2, so elsewhere spikes can differ where U is within some units in the last place of
the threshold. It keeps a NaN in the state but answers with silence; here such neurons answer NaN.
"""

from importlib import metadata

import torch
from torch import Tensor

from snnvtg.errors import BackendError
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.surrogate import spike

OWN_SURROGATES = {
    "atan": "ATan",
    "sigmoid": "Sigmoid",
    "piecewise_quadratic": "PiecewiseQuadratic",
    "piecewise_exp": "PiecewiseExp",
    "soft_sign": "SoftSign",
    "super_spike": "SuperSpike",
    "erf": "Erf",
}
REMEDY = (
    "Install it with: pip install --no-deps spikingjelly==2.0.0 && pip install loguru; "
    "or use backend 'fused', which does all of this."
)


def version() -> str | None:
    """The installed SpikingJelly version, None without one."""
    try:
        return metadata.version("spikingjelly")
    except metadata.PackageNotFoundError:
        return None


def _missing(device: str) -> list[str]:
    found = version()
    if found is None:
        return ["spikingjelly is not installed"]
    if int(found.split(".")[0]) < 2:
        return [f"spikingjelly {found} is installed; this adapter speaks to 2.x (functional.lif_multi_step)"]
    try:
        from spikingjelly.activation_based import functional, surrogate  # noqa: F401
    except ImportError as error:
        return [f"spikingjelly {found} does not import ({error})"]
    return []


def refuses(neuron: Neuron) -> list[str]:
    """Why SpikingJelly's LIF cannot be this neuron exactly."""
    p, reasons = neuron.parameters, neuron.beyond_a_library
    if p.v_reset != 0:
        reasons.append(f"with v_reset={p.v_reset} SpikingJelly leaks towards v_reset, Eq. 4 towards 0")
    if not 0 < p.beta < 1:
        reasons.append(f"tau = 1 / (1 - beta) needs beta strictly between 0 and 1 (beta={p.beta})")
    if p.learn_threshold:
        reasons.append("its threshold cannot be learned")
    if p.learn_beta and neuron.per_channel:
        reasons.append("its learned leak is one number, not one per channel")
    return reasons


def surrogate_function(parameters):
    """SpikingJelly's own surrogate where it has this one, else ours, which it runs through its torch path."""
    from spikingjelly.activation_based import surrogate

    name, alpha = parameters.surrogate, parameters.surrogate_alpha
    if name in OWN_SURROGATES:
        return getattr(surrogate, OWN_SURROGATES[name])(alpha=alpha)
    return lambda x: spike(x, torch.zeros((), dtype=x.dtype), name, alpha)


def with_initial_state(inputs: Inputs) -> Tensor:
    """The current (T, ...) with the initial state folded into its first step: U[1] = H[0] + X[1]."""
    driven = inputs.driven()
    if inputs.v is None:
        return driven
    driven = driven.to(inputs.beta.dtype)
    return torch.cat([(inputs.v + driven[0]).unsqueeze(0), driven[1:]])


def nan_is_heard(spikes: Tensor, v: Tensor) -> Tensor:
    """Spikes with NaN for every neuron whose final state is NaN: SpikingJelly gives silence there."""
    broken = v.isnan()
    return torch.where(broken, torch.nan, spikes) if broken.any() else spikes


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, Tensor]:
    from spikingjelly.activation_based import functional

    p, driven = neuron.parameters, with_initial_state(inputs)
    if driven.numel() == 0:
        # its kernels ask for at least one neuron; an empty layer has empty spikes
        return inputs.delivered(driven.to(inputs.current.dtype)), torch.zeros_like(driven[0], dtype=inputs.beta.dtype)
    state = torch.zeros_like(driven[0], dtype=inputs.beta.dtype)
    shared = (p.v_threshold, None if p.soft else 0.0, surrogate_function(p), p.detach_reset)
    if p.learn_beta:
        beta = inputs.beta.item()
        if not 0 < beta < 1:
            reason = f"the learned beta is {beta}; its parametrisation needs it strictly between 0 and 1"
            raise BackendError("spikingjelly", [reason], REMEDY)
        spikes, v, _ = functional.plif_multi_step(driven, state, torch.logit(1 - inputs.beta), False, *shared)
    else:
        spikes, v, _ = functional.lif_multi_step(driven, state, 1 / (1 - p.beta), False, *shared)
    v = inputs.beta * v
    return inputs.delivered(nan_is_heard(spikes, v).to(inputs.current.dtype)), v


SPIKINGJELLY = Backend(
    "spikingjelly", missing=_missing, refuses=refuses, run=_run, remedy=REMEDY, band=4, transforms=False
)
