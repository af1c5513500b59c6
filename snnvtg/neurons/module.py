"""The LIF layer every model uses: one module, any backend, the same answer."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.leaf_ops import leaf_op
from snnvtg.neurons.backends import choose
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.lif import LIFParameters, constant, state_dtype


@leaf_op("lif")
def lif(
    current: Tensor,
    parameters: LIFParameters = LIFParameters(),  # noqa: B008 (frozen)
    *,
    num_timesteps: int | None = None,
    v: Tensor | None = None,
    beta: float | Tensor | None = None,
    v_threshold: float | Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    reduction: str = "none",
    backend: str | Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """Run LIF neurons (Eq. 4) over time: the one function behind every LIF evaluation of the package.

    `current` (T, ...), or (...) with `num_timesteps`: then the same current enters at every step and is read once.
    `v` (...) initial state, zeros by default. `beta`, `v_threshold` override the parameters with learned values,
    scalar or (C,) over the last axis. `scale` and `shift` (C,), given together, apply scale * current + shift first:
    a folded batch normalisation. `reduction="mean"` returns the firing rate over T instead of the spikes.

    Returns (spikes (T, ...) or rate (...) in the current's dtype, final state (...) in the state dtype).
    Raises InputError for inputs that do not fit, BackendError where `backend` cannot do exactly this.
    """
    inputs = _checked(current, parameters, num_timesteps, v, beta, v_threshold, scale, shift, reduction)
    neuron = _neuron(parameters, beta, v_threshold)
    return choose(backend, neuron, current.device.type).run(neuron, inputs)


def _neuron(parameters: LIFParameters, beta: float | Tensor | None, v_threshold: float | Tensor | None) -> Neuron:
    """What this call asks for: a tensor counts as learned, a number replaces the parameter."""
    given = {"beta": beta, "v_threshold": v_threshold}
    changes = {name: value for name, value in given.items() if isinstance(value, float | int)}
    learned = {name: isinstance(value, Tensor) for name, value in given.items()}
    if changes or any(learned.values()):
        changes |= {"learn_beta": learned["beta"], "learn_threshold": learned["v_threshold"]}
        parameters = replace(parameters, **changes)
    widths = [value.numel() for value in given.values() if isinstance(value, Tensor) and value.dim()]
    return Neuron(parameters, num_channels=max(widths, default=None))


def _checked(current, parameters, num_timesteps, v, beta, v_threshold, scale, shift, reduction) -> Inputs:
    if not current.is_floating_point():
        raise InputError(
            f"LIF current: expected a floating-point tensor, got {current.dtype}; convert it with .float()"
        )
    if num_timesteps is None and (current.dim() == 0 or current.shape[0] == 0):
        raise InputError(f"LIF current: expected shape (T, ...) with T >= 1, got {tuple(current.shape)}")
    if num_timesteps is not None and num_timesteps < 1:
        raise InputError(f"num_timesteps: expected at least 1, got {num_timesteps}")
    state = current.shape if num_timesteps is not None else current.shape[1:]
    if v is not None and v.shape != state:
        raise InputError(f"LIF initial state v: expected shape {tuple(state)}, got {tuple(v.shape)}")
    if (scale is None) != (shift is None):
        raise InputError("LIF scale and shift: expected both or neither; give a shift of zeros or a scale of ones")
    if reduction not in ("none", "mean"):
        raise InputError(f"LIF reduction: expected 'none' or 'mean', got {reduction!r}")
    beta = constant(parameters.beta if beta is None else beta, current)
    v_threshold = constant(parameters.v_threshold if v_threshold is None else v_threshold, current)
    for name, value in {"beta": beta, "v_threshold": v_threshold, "scale": scale, "shift": shift}.items():
        fits = value is None or value.dim() == 0 or (state and value.shape == state[-1:])
        if not fits:
            raise InputError(
                f"LIF {name}: expected a scalar or one value for each of the {state[-1] if state else 0} channels "
                f"of the last axis, got shape {tuple(value.shape)}"
            )
    dtype = state_dtype(current.dtype)
    if scale is not None:
        scale, shift = (t.to(dtype).expand(state[-1:]) for t in (scale, shift))
    v = None if v is None else v.to(dtype)
    return Inputs(current, v, beta, v_threshold, num_timesteps, scale, shift, reduction == "mean")


class LIF(nn.Module):
    """LIF layer (Eq. 4) over the first axis, T; state starts at zero for each call unless `v` is given.

    `num_channels` makes the learned parameters one per channel of the last axis instead of one for the layer.
    A learned beta is used clamped to [0, 1]; call `constrain_` after each optimiser step, for a value beyond the range
    has no gradient to come back with. `backend` may be set at any time; see `available_backends()`.
    """

    def __init__(
        self,
        parameters: LIFParameters = LIFParameters(),  # noqa: B008 (frozen)
        *,
        num_channels: int | None = None,
        backend: str = "auto",
    ):
        super().__init__()
        self.parameters_ = parameters
        self.neuron = Neuron(parameters, num_channels)
        shape = () if num_channels is None else (num_channels,)
        self.register_parameter("beta", _learned(parameters.learn_beta, parameters.beta, shape))
        self.register_parameter("v_threshold", _learned(parameters.learn_threshold, parameters.v_threshold, shape))
        self.backend = backend

    @property
    def backend(self) -> str:
        """Name of the backend asked for, perhaps `auto`."""
        return self._backend

    @backend.setter
    def backend(self, name: str) -> None:
        """Raises BackendError at once where the backend cannot run this neuron on a CPU or CUDA device."""
        choose(name, self.neuron, self.device_type)
        self._backend = name

    @property
    def device_type(self) -> str:
        """Where the learned parameters are; without any, where the last input was, "cpu" at first."""
        return next((p.device.type for p in self.parameters()), getattr(self, "_last_device", "cpu"))

    @property
    def active_backend(self) -> str:
        """Name of the backend that runs: what `auto` stands for here."""
        return choose(self._backend, self.neuron, self.device_type).name

    def forward(
        self,
        current: Tensor,
        *,
        num_timesteps: int | None = None,
        v: Tensor | None = None,
        return_state: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
        reduction: str = "none",
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Spikes (T, ...) for `current` (T, ...), or for (...) with `num_timesteps`; see `lif` for the rest.

        With `return_state` also the final state (...).
        """
        self._last_device = current.device.type
        spikes, v = lif(
            current=current,
            parameters=self.parameters_,
            num_timesteps=num_timesteps,
            v=v,
            beta=None if self.beta is None else self.beta.clamp(0, 1),
            v_threshold=self.v_threshold,
            scale=scale,
            shift=shift,
            reduction=reduction,
            backend=self._backend,
        )
        return (spikes, v) if return_state else spikes

    @torch.no_grad()
    def constrain_(self) -> None:
        """Put learned values back into their range: beta in [0, 1], v_threshold at least 1 % of where it started."""
        if self.beta is not None:
            self.beta.clamp_(0, 1)
        if self.v_threshold is not None:
            self.v_threshold.clamp_(min=0.01 * self.parameters_.v_threshold)

    def extra_repr(self) -> str:
        """The parameters and backend, for print(model)."""
        return f"{self.parameters_}, num_channels={self.neuron.num_channels}, backend={self._backend!r}"


def _learned(learned: bool, value: float, shape: tuple[int, ...]) -> nn.Parameter | None:
    return nn.Parameter(torch.full(shape, float(value))) if learned else None


def set_backend(model: nn.Module, name: str) -> None:
    """Set the backend of every LIF layer in `model`.

    Raises BackendError at once, and changes none, where one of them cannot run on it.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, LIF)]
    for layer in layers:
        choose(name, layer.neuron, layer.device_type)
    for layer in layers:
        layer.backend = name
