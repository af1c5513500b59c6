"""Neurons with more state than the potential, as a plain loop; each part is off by default, and they combine.

    I[t] = synapse I[t-1] + X[t]                            synaptic current (second-order LIF)
    X[t] gains W S[t-1]                                     recurrent connection
    th[t] = v_threshold + A[t-1],  A[t] = adaptation_decay A[t-1] + adaptation S[t]      adaptive threshold
    after a spike, for `refractory` steps: S = 0, H[t] = U[t] = H[t-1]                   refractory period

then Eq. 4 (lif.py) with I[t] for X[t] and th[t] for v_threshold. The synaptic current and the adaptation go on during
the refractory period. `detach_reset` concerns the reset alone: the gradient passes through the spikes that are fed back
or adapt the threshold.

Sources: synaptic current as snntorch.Synaptic; adaptation, Bellec et al. 2018 (LSNN) with the factor 1 - decay taken
into `adaptation`; refractory period as norse.torch.lif_refrac; recurrence as spikingjelly's LinearRecurrentContainer.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from snnvtg.neurons.lif import LIFParameters, constant, lif_step, state_dtype


class LIFState(NamedTuple):
    """State (...) of such a neuron after a step; a part the neuron has not is None.

    `v` is H of Eq. 4 · `synapse` I · `adaptation` A · `refractory` steps still to rest, in the state dtype · `spikes`
    S, fed back by a recurrent connection.
    """

    v: Tensor
    synapse: Tensor | None = None
    adaptation: Tensor | None = None
    refractory: Tensor | None = None
    spikes: Tensor | None = None


def beyond_one_state(parameters: LIFParameters, recurrent: bool) -> list[str]:
    """What of a neuron is not Eq. 4, in words; empty where it is."""
    parts = {
        "a synaptic current": parameters.synapse is not None,
        "an adaptive threshold": parameters.adaptation != 0,
        "a refractory period": parameters.refractory != 0,
        "a recurrent connection": recurrent,
    }
    return [part for part, present in parts.items() if present]


def extended_reference(
    current: Tensor,
    parameters: LIFParameters,
    state: Tensor | LIFState | None = None,
    *,
    beta: float | Tensor | None = None,
    v_threshold: float | Tensor | None = None,
    recurrent: Tensor | None = None,
) -> tuple[Tensor, LIFState, Tensor]:
    """Run such a neuron: `current` (T, ...) -> spikes (T, ...), final state, potentials U (T, ...).

    `recurrent` W, (C, C) from the channels of the last axis to one another or (C,) from each to itself.
    """
    beta = constant(parameters.beta if beta is None else beta, current)
    v_threshold = constant(parameters.v_threshold if v_threshold is None else v_threshold, current)
    state = _start(current, parameters, state, recurrent)
    spikes, potentials = [], []
    for t, x in enumerate(current.unbind(0)):
        if parameters.truncate and t and t % parameters.truncate == 0:
            state = LIFState(*(None if part is None else part.detach() for part in state))
        s, u, state = _step(state, x.to(state.v.dtype), parameters, beta, v_threshold, recurrent)
        spikes.append(s.to(current.dtype))
        potentials.append(u)
    return torch.stack(spikes), state, torch.stack(potentials)


def _start(current: Tensor, p: LIFParameters, state: Tensor | LIFState | None, recurrent: Tensor | None) -> LIFState:
    """The state given, zeros for what is not given of it."""
    zeros = torch.zeros(current.shape[1:], dtype=state_dtype(current.dtype), device=current.device)
    given = state if isinstance(state, LIFState) else LIFState(zeros if state is None else state)
    present = (True, p.synapse is not None, p.adaptation != 0, p.refractory != 0, recurrent is not None)
    return LIFState(
        *(
            None if not there else zeros if part is None else part.to(zeros.dtype)
            for part, there in zip(given, present, strict=True)
        )
    )


def _step(state: LIFState, x: Tensor, p: LIFParameters, beta: Tensor, v_threshold: Tensor, recurrent: Tensor | None):
    """(spikes, potential, next state) of one step."""
    if recurrent is not None:
        weight = recurrent.to(x.dtype)
        x = x + (state.spikes * weight if weight.dim() == 1 else torch.nn.functional.linear(state.spikes, weight))
    synapse = x if p.synapse is None else p.synapse * state.synapse + x
    threshold = v_threshold if state.adaptation is None else v_threshold + state.adaptation
    u = state.v + synapse
    s, h = lif_step(state.v, synapse, p, beta, threshold)
    rest = None
    if state.refractory is not None:
        resting = state.refractory > 0
        u, s, h = (torch.where(resting, held, new) for held, new in ((state.v, u), (0.0, s), (state.v, h)))
        rest = torch.where(resting, state.refractory - 1, p.refractory * (s.detach() == 1).to(s.dtype))
    adaptation = None if state.adaptation is None else p.adaptation_decay * state.adaptation + p.adaptation * s
    kept = None if p.synapse is None else synapse
    return s, u, LIFState(h, kept, adaptation, rest, None if recurrent is None else s)
