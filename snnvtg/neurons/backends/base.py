"""What a backend is: a name, the reasons it may give for not running, and one function."""

from dataclasses import dataclass

from torch import Tensor

from snnvtg import backends
from snnvtg.neurons.lif import LIFParameters


@dataclass(frozen=True)
class Neuron:
    """A LIF layer as a backend sees it: its parameters, and per-channel width where beta or threshold has one."""

    parameters: LIFParameters
    num_channels: int | None = None

    @property
    def learned_per_channel(self) -> bool:
        """Whether a learned beta or threshold has one value per channel."""
        return self.num_channels is not None and (self.parameters.learn_beta or self.parameters.learn_threshold)


@dataclass(frozen=True)
class Inputs:
    """Tensors of one evaluation.

    `current` (T, ...), or (...) with `num_timesteps` given, where it is the same at every step · `v` (...) initial
    state or None for zeros · `beta`, `v_threshold` scalars or (C,) in the state dtype · `scale`, `shift` (C,) in the
    state dtype or None: the current is scale * current + shift · `mean`: return the mean over T instead of spikes.
    """

    current: Tensor
    v: Tensor | None
    beta: Tensor
    v_threshold: Tensor
    num_timesteps: int | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None
    mean: bool = False

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

    `band` is the width, in units in the last place and per step, of the band around the threshold within which its
    rounding may decide a spike differently from the reference in float32; 0 means bit for bit, everywhere.
    """

    band: int = 0
