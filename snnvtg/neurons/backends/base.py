"""What a backend is: a name, the reasons it may give for not running, and one function."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from snnvtg import backends
from snnvtg.neurons.extended import LIFState, beyond_one_state
from snnvtg.neurons.lif import LIFParameters


@dataclass(frozen=True)
class Neuron:
    """A LIF layer as a backend sees it: its parameters, and what of its tensors a backend may have to refuse.

    `per_channel`: beta or threshold has a value per channel or per neuron · `trace`: the potentials are wanted too ·
    `recurrent`: it feeds its spikes back.
    """

    parameters: LIFParameters
    per_channel: bool = False
    trace: bool = False
    recurrent: bool = False

    @property
    def beyond_one_state(self) -> list[str]:
        """Reasons of a backend that runs Eq. 4 alone."""
        parts = beyond_one_state(self.parameters, self.recurrent)
        return [f"it runs Eq. 4 and knows nothing of {part}, which 'reference' does" for part in parts]

    @property
    def beyond_a_library(self) -> list[str]:
        """Reasons of an adapter to another library's plain LIF neuron."""
        reasons = self.beyond_one_state
        if self.trace:
            reasons.append("it returns no potentials")
        if self.parameters.truncate:
            reasons.append("it does not truncate back-propagation")
        return reasons


@dataclass(frozen=True)
class Inputs:
    """Tensors of one evaluation.

    `current` (T, ...), or (...) with `num_timesteps` given, where it is the same at every step · `v` (...) initial
    state or None for zeros, a LIFState for neurons beyond Eq. 4 · `beta`, `v_threshold` scalars or in the shape of the
    state's last axes, in the state dtype · `scale`, `shift` (C,) in the state dtype or None: the current is
    scale * current + shift · `mean`: return the mean over T instead of spikes · `trace`: return the potentials
    U (T, ...) as a third result · `recurrent` (C, C), (C,) or None: the weights that feed spikes back.
    """

    current: Tensor
    v: Tensor | LIFState | None
    beta: Tensor
    v_threshold: Tensor
    num_timesteps: int | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None
    mean: bool = False
    trace: bool = False
    recurrent: Tensor | None = None

    def driven(self) -> Tensor:
        """The current (T, ...) with scale and shift applied and the repeat over T spelled out, in the state dtype."""
        current = self.current
        if self.scale is not None:
            current = current.to(self.beta.dtype) * self.scale + self.shift
        if self.num_timesteps is not None:
            current = current.expand(self.num_timesteps, *current.shape)
        return current

    def delivered(self, spikes: Tensor) -> Tensor:
        """What the caller asked for, from spikes (T, ...): themselves or their mean over T, in the current's dtype."""
        wanted = spikes.to(self.beta.dtype).mean(0) if self.mean else spikes
        return wanted.to(self.current.dtype)


@dataclass(frozen=True)
class Backend(backends.Backend):
    """One way to run a LIF layer: `run(neuron, inputs)` returns (spikes or mean, final state in the state dtype).

    With `inputs.trace` also the potentials. `transforms` says that torch.func may transform it and torch.compile trace
    it, `forward_mode` that it has forward-mode derivatives; where not, such calls are refused before they reach `run`.
    `examples(neuron, inputs)` lists the registered operators it would call with their arguments, for
    torch.library.opcheck.

    `band` is the width, in units in the last place and per step, of the band around the threshold within which its
    rounding may decide a spike differently from the reference in float32; 0 means bit for bit, everywhere.
    """

    band: int = 0
    transforms: bool = True
    forward_mode: bool = False
    examples: Callable[[Neuron, Inputs], list[tuple[Callable, tuple]]] = field(default=lambda neuron, inputs: [])
