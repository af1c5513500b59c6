"""`lif`, the one function behind every LIF evaluation, and the checks of what it is given."""

from dataclasses import replace
from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from snnvtg.errors import BackendError, InputError
from snnvtg.leaf_ops import leaf_op
from snnvtg.neurons.backends import choose
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.extended import LIFState
from snnvtg.neurons.lif import LIFParameters, constant, state_dtype

Number = float | np.ndarray | Tensor


@leaf_op("lif")
def lif(
    current: Tensor,
    parameters: LIFParameters = LIFParameters(),  # noqa: B008 (frozen)
    *,
    num_timesteps: int | None = None,
    v: Tensor | LIFState | None = None,
    beta: Number | None = None,
    v_threshold: Number | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    recurrent: Tensor | None = None,
    reduction: str = "none",
    return_potential: bool = False,
    backend: str | Backend = "auto",
) -> tuple[Tensor, Tensor | LIFState] | tuple[Tensor, Tensor | LIFState, Tensor]:
    """Run LIF neurons (Eq. 4) over time: the one function behind every LIF evaluation of the package.

    `current` (T, ...), or (...) with `num_timesteps`: then the same current enters at every step and is read once.
    `v` (...) initial state, zeros by default. `beta`, `v_threshold` override the parameters: a number, or learned
    values as a tensor, scalar or in the shape of the state's last axes ((C,) per channel, the whole shape per neuron).
    `scale` and `shift` (C,), given together, apply scale * current + shift first: a folded batch normalisation.
    `recurrent` (C, C) or (C,) feeds each step's spikes into the next. `reduction="mean"` returns the firing rate over T
    instead of the spikes.

    Returns (spikes (T, ...) or rate (...) in the current's dtype, final state (...) in the state dtype), the state a
    LIFState for a neuron that has more than one (extended.py); with `return_potential` also the potentials U (T, ...)
    after the input, before the reset, in the state dtype.
    Raises InputError for inputs that do not fit, BackendError where `backend` cannot do exactly this.
    """
    beta, v_threshold = _plain(beta, "beta"), _plain(v_threshold, "v_threshold")
    neuron = _neuron(parameters, beta, v_threshold, return_potential, recurrent is not None)
    inputs = _checked(current, neuron, num_timesteps, v, beta, v_threshold, scale, shift, recurrent, reduction)
    chosen = choose(backend, neuron, current.device.type)
    _check_transforms(chosen)
    return chosen.run(neuron, inputs)


def _plain(value: Number | None, name: str) -> float | Tensor | None:
    """Numbers of any library as Python's, arrays as tensors."""
    if value is None or isinstance(value, float | Tensor):
        return value
    if (isinstance(value, Real) and not isinstance(value, bool)) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return float(value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    raise InputError(f"LIF {name}: expected a number, an array or a tensor, got {value!r}")


def _neuron(p: LIFParameters, beta, v_threshold, trace: bool, recurrent: bool) -> Neuron:
    """What this call asks for: a tensor counts as learned, a number replaces the parameter."""
    given = {"beta": beta, "v_threshold": v_threshold}
    changes = {name: value for name, value in given.items() if isinstance(value, float)}
    learned = {name: isinstance(value, Tensor) for name, value in given.items()}
    if changes or (any(learned.values()) and (p.learn_beta, p.learn_threshold) != tuple(learned.values())):
        p = replace(p, **changes, learn_beta=learned["beta"], learn_threshold=learned["v_threshold"])
    per_channel = any(isinstance(value, Tensor) and value.dim() > 0 for value in given.values())
    return Neuron(p, per_channel, trace, recurrent)


def _checked(current, neuron, num_timesteps, v, beta, v_threshold, scale, shift, recurrent, reduction) -> Inputs:
    if not current.is_floating_point():
        raise InputError(
            f"LIF current: expected a floating-point tensor, got {current.dtype}; convert it with .float()"
        )
    if num_timesteps is None and (current.dim() == 0 or current.shape[0] == 0):
        raise InputError(f"LIF current: expected shape (T, ...) with T >= 1, got {tuple(current.shape)}")
    if num_timesteps is not None and num_timesteps < 1:
        raise InputError(f"num_timesteps: expected at least 1, got {num_timesteps}")
    state = current.shape if num_timesteps is not None else current.shape[1:]
    if (scale is None) != (shift is None):
        raise InputError("LIF scale and shift: expected both or neither; give a shift of zeros or a scale of ones")
    if reduction not in ("none", "mean"):
        raise InputError(f"LIF reduction: expected 'none' or 'mean', got {reduction!r}")
    beta = _there("beta", constant(neuron.parameters.beta if beta is None else beta, current), state, current)
    v_threshold = neuron.parameters.v_threshold if v_threshold is None else v_threshold
    v_threshold = _there("v_threshold", constant(v_threshold, current), state, current)
    if scale is not None:
        scale, shift = (
            _there(name, constant(t, current), state[-1:], current).expand(state[-1:])
            for name, t in (("scale", scale), ("shift", shift))
        )
    if recurrent is not None:
        shapes = {1: state[-1:], 2: (*state[-1:], *state[-1:])}
        _same_shape("recurrent weights", recurrent, shapes.get(recurrent.dim(), shapes[2]), current)
    v = _initial(v, neuron, state, current)
    return Inputs(
        current, v, beta, v_threshold, num_timesteps, scale, shift, reduction == "mean", neuron.trace, recurrent
    )


def _same_shape(name: str, tensor: Tensor, shape, current: Tensor) -> None:
    if tensor.shape != shape or tensor.device != current.device:
        raise InputError(
            f"LIF {name}: expected shape {tuple(shape)} on {current.device}, "
            f"got {tuple(tensor.shape)} on {tensor.device}"
        )


def _initial(v, neuron: Neuron, state, current: Tensor) -> Tensor | LIFState | None:
    """The initial state in the state dtype."""
    dtype = state_dtype(current.dtype)
    if isinstance(v, LIFState) and not neuron.beyond_one_state:
        raise InputError("LIF initial state v: expected a tensor, got a LIFState: this neuron has the potential only")
    for part in v if isinstance(v, LIFState) else (v,):
        if part is not None:
            _same_shape("initial state v", part, state, current)
    if isinstance(v, LIFState):
        return LIFState(*(None if part is None else part.to(dtype) for part in v))
    return None if v is None else v.to(dtype)


def _there(name: str, value: Tensor, state, current: Tensor) -> Tensor:
    """A parameter where the current is; a scalar may come from elsewhere, and keeps its gradient."""
    axes = value.dim()
    if axes == 0:
        fixed = value.is_cpu and not value.requires_grad
        return value if fixed or value.device == current.device else value.to(current.device)
    if axes > len(state) or value.shape != state[len(state) - axes :] or value.device != current.device:
        raise InputError(
            f"LIF {name}: expected a scalar or one value for each of the {state[-1] if state else 0} channels "
            f"of the last axis (or the last axes) on {current.device}, got shape {tuple(value.shape)} on {value.device}"
        )
    return value


def _check_transforms(backend: Backend) -> None:
    """Raise BackendError under a transform the backend would get wrong, or break in."""
    if forward_ad._current_level >= 0 and not backend.forward_mode:
        reason = "it has no forward-mode derivative"
        raise BackendError(backend.name, [reason], "For torch.func.jvp and forward_ad use backend 'reference'.")
    if not backend.transforms and torch._C._are_functorch_transforms_active():
        reason = "another library's neuron does not run under torch.func"
        raise BackendError(backend.name, [reason], "Under torch.func use backend 'fused', 'torch' or 'reference'.")
