"""The LIF layer every model uses: one module, any backend, the same answer."""

import torch
from torch import Tensor, nn

from snnvtg.errors import BackendError
from snnvtg.neurons.backends import LIF_OPERATION, choose
from snnvtg.neurons.backends.base import Neuron
from snnvtg.neurons.extended import LIFState
from snnvtg.neurons.functional import lif
from snnvtg.neurons.lif import LIFParameters


class LIF(nn.Module):
    """LIF layer (Eq. 4) over the first axis, T; state starts at zero for each call unless `v` is given.

    `num_channels` makes the learned parameters one per channel of the last axis instead of one for the layer; a tuple,
    the shape of the state's last axes, makes them one per neuron. `recurrent` is the number of channels whose spikes
    a learned matrix feeds back. A learned beta is used clamped to [0, 1]; call `constrain_` after each optimiser step,
    for a value beyond the range has no gradient to come back with (or use `beta_form="sigmoid"`, which needs none).
    `backend` may be set at any time; see `available_backends()`.

    >>> current = torch.tensor([[0.6], [0.6], [0.6], [0.6]])  # (T, neurons)
    >>> LIF(LIFParameters(beta=1.0))(current).flatten().tolist()
    [0.0, 1.0, 0.0, 1.0]
    >>> spikes, v = LIF(LIFParameters(beta=0.5))(current, return_state=True)
    >>> spikes.flatten().tolist(), round(v.item(), 4)  # (0.6 + 0.3 = 0.9, 0.6 + 0.45 ≥ 1)
    ([0.0, 0.0, 1.0, 0.0], 0.3)
    """

    def __init__(
        self,
        parameters: LIFParameters = LIFParameters(),  # noqa: B008 (frozen)
        *,
        num_channels: int | tuple[int, ...] | None = None,
        recurrent: int | None = None,
        backend: str = "auto",
    ):
        super().__init__()
        self.parameters_, self.num_channels = parameters, num_channels
        learned = parameters.learn_beta or parameters.learn_threshold
        self.neuron = Neuron(parameters, num_channels is not None and learned, recurrent=recurrent is not None)
        shape = num_channels if isinstance(num_channels, tuple) else () if num_channels is None else (num_channels,)
        sigmoid = parameters.learn_beta and parameters.beta_form == "sigmoid"
        logit = torch.logit(torch.tensor(parameters.beta, dtype=torch.float64)).item() if sigmoid else 0.0
        self.register_parameter("beta", _learned(parameters.learn_beta and not sigmoid, parameters.beta, shape))
        self.register_parameter("beta_logit", _learned(sigmoid, logit, shape))
        self.register_parameter("v_threshold", _learned(parameters.learn_threshold, parameters.v_threshold, shape))
        weight = None if recurrent is None else nn.Parameter(nn.Linear(recurrent, recurrent).weight.detach())
        self.register_parameter("recurrent", weight)
        self.backend = backend

    @property
    def backend(self) -> str:
        """Name of the backend asked for, perhaps `auto`."""
        return self._backend

    @backend.setter
    def backend(self, name: str) -> None:
        """Raises BackendError at once where the backend can run this neuron on no device of this machine."""
        _check_somewhere(name, self.neuron)
        self._backend = name

    @property
    def device_type(self) -> str:
        """Where the learned parameters are; without any, where the last input was, "cpu" at first."""
        return next((p.device.type for p in self.parameters()), getattr(self, "_last_device", "cpu"))

    @property
    def active_backend(self) -> str:
        """Name of the backend that runs: what `auto` stands for here."""
        return choose(self._backend, self.neuron, self.device_type).name

    @property
    def leak(self) -> Tensor | None:
        """The learned beta as it is used, None where it is not learned."""
        if self.beta_logit is not None:
            return torch.sigmoid(self.beta_logit)
        return None if self.beta is None else self.beta.clamp(0, 1)

    def forward(
        self,
        current: Tensor,
        *,
        num_timesteps: int | None = None,
        v: Tensor | LIFState | None = None,
        return_state: bool = False,
        return_potential: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
        reduction: str = "none",
    ) -> Tensor | tuple:
        """Spikes (T, ...) for `current` (T, ...), or for (...) with `num_timesteps`; see `lif` for the rest.

        With `return_state` also the final state (...), with `return_potential` the potentials (T, ...) after those.
        """
        self._last_device = current.device.type
        beyond = {"recurrent": self.recurrent, "return_potential": return_potential or None}
        spikes, v, *potential = lif(
            current=current,
            parameters=self.parameters_,
            num_timesteps=num_timesteps,
            v=v,
            beta=self.leak,
            v_threshold=self.v_threshold,
            scale=scale,
            shift=shift,
            reduction=reduction,
            backend=self._backend,
            **{name: value for name, value in beyond.items() if value is not None},
        )
        results = (spikes, *([v] if return_state else []), *potential)
        return results if len(results) > 1 else spikes

    @torch.no_grad()
    def constrain_(self) -> None:
        """Put learned values back into their range: beta in [0, 1], v_threshold at least 1 % of where it started."""
        if self.beta is not None:
            self.beta.clamp_(0, 1)
        if self.v_threshold is not None:
            self.v_threshold.clamp_(min=0.01 * self.parameters_.v_threshold)

    def extra_repr(self) -> str:
        """The parameters and backend, for print(model)."""
        return f"{self.parameters_}, num_channels={self.num_channels}, backend={self._backend!r}"


def _learned(learned: bool, value: float, shape: tuple[int, ...]) -> nn.Parameter | None:
    return nn.Parameter(torch.full(shape, float(value))) if learned else None


def _check_somewhere(name: str, neuron: Neuron) -> None:
    """Raise BackendError where the backend can run such a neuron on no device of this machine.

    On which it runs is seen at the call: a module is often made before it is moved.
    """
    if name == "auto":
        return
    backend = LIF_OPERATION.named(name)
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    reasons = [LIF_OPERATION.why_not(name, device, neuron) for device in devices]
    if all(reasons):
        raise BackendError(backend.name, reasons[-1], backend.remedy)


def set_backend(model: nn.Module, name: str) -> None:
    """Set the backend of every LIF layer in `model`.

    Raises BackendError at once, and changes none, where one of them can run with it on no device of this machine.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, LIF)]
    for layer in layers:
        _check_somewhere(name, layer.neuron)
    for layer in layers:
        layer.backend = name
