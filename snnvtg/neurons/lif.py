"""The LIF neuron of SpikeMba, Eq. 4, and the plain loop that is the reference for every backend.

    U[t] = H[t-1] + X[t]                                   potential after the input
    S[t] = 1 if U[t] >= v_threshold else 0                 spike (the paper's Θ, which fires at the threshold)
    H[t] = v_reset S[t] + (beta U[t]) (1 - S[t])           hard reset: the leak acts on the kept potential
    H[t] = beta (U[t] - v_threshold S[t])                  soft reset

`v` in this package is H, the state carried from one step to the next: after the reset and the leak, before the input.
The order of the floating-point operations above is part of the definition: with it every backend of the project spikes
alike, bit for bit, in float32. State and potential are float32 for half, bfloat16 and float32 currents and float64 for
float64; spikes have the current's dtype. A NaN potential gives NaN spikes from then on; so does an infinite one after
a hard reset (infinity times zero). Neurons with more state than v are in extended.py.
"""

import math
from dataclasses import dataclass
from numbers import Integral, Real

import torch
from torch import Tensor

from snnvtg.errors import InputError
from snnvtg.neurons.surrogate import SURROGATES, spike

RESETS = ("hard", "soft")
BETA_FORMS = ("clamped", "sigmoid")


@dataclass(frozen=True)
class LIFParameters:
    """Constants of a LIF layer; the defaults are this project's reading of Eq. 4, whose constants the paper omits.

    `beta` leak per step in [0, 1] · `v_threshold` > 0 · `v_reset` potential after a spike, hard reset only ·
    `detach_reset` no gradient through the spike inside the reset · `learn_beta`, `learn_threshold` make the two
    parameters of the module, started at the values given here · `beta_form` how a learned beta is held: the value
    itself, used clamped to [0, 1], or "sigmoid", a number w with beta = sigmoid(w) (PLIF, Fang et al. 2021) ·
    `surrogate` a name in SURROGATES, perhaps one of your own (`register_surrogate`) · `truncate` truncated
    back-propagation: no gradient passes through the state from step k * truncate to the step before it.

    Beyond Eq. 4, each off by default (see extended.py): `synapse` decay per step of a synaptic current ·
    `adaptation` what each spike adds to the threshold, an addition that decays by `adaptation_decay` per step ·
    `refractory` steps after a spike during which the neuron holds its state and hears nothing.
    """

    beta: float = 0.5
    v_threshold: float = 1.0
    v_reset: float = 0.0
    reset: str = "hard"
    detach_reset: bool = True
    surrogate: str = "atan"
    surrogate_alpha: float = 2.0
    learn_beta: bool = False
    learn_threshold: bool = False
    beta_form: str = "clamped"
    truncate: int | None = None
    synapse: float | None = None
    adaptation: float = 0.0
    adaptation_decay: float = 0.9
    refractory: int = 0

    def __post_init__(self):
        def check(name: str, good: bool, expectation: str):
            if not good:
                raise InputError(f"LIFParameters.{name}: expected {expectation}, got {getattr(self, name)!r}")

        numbers = ("beta", "v_threshold", "v_reset", "surrogate_alpha", "adaptation", "adaptation_decay")
        for name in (*numbers, *(("synapse",) if self.synapse is not None else ())):
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            check(name, number and math.isfinite(value), "a finite number")
            object.__setattr__(self, name, float(value))  # a NumPy number becomes Python's
        check("beta", 0 <= self.beta <= 1, "a leak in [0, 1]")
        check("v_threshold", self.v_threshold > 0, "a threshold above 0")
        check("surrogate_alpha", self.surrogate_alpha > 0, "a sharpness above 0")
        check("reset", self.reset in RESETS, f"one of {', '.join(RESETS)}")
        check("surrogate", self.surrogate in SURROGATES, f"one of {', '.join(SURROGATES)}")
        check("beta_form", self.beta_form in BETA_FORMS, f"one of {', '.join(BETA_FORMS)}")
        inside = not (self.learn_beta and self.beta_form == "sigmoid") or 0 < self.beta < 1
        check("beta", inside, "a leak strictly between 0 and 1 for a sigmoid to start at")
        check("truncate", self.truncate is None or _count(self.truncate, 1), "None or a number of steps, at least 1")
        check("synapse", self.synapse is None or 0 <= self.synapse <= 1, "None or a decay in [0, 1]")
        check("adaptation_decay", 0 <= self.adaptation_decay <= 1, "a decay in [0, 1]")
        check("adaptation", self.adaptation >= 0, "an addition to the threshold of at least 0")
        check("refractory", _count(self.refractory, 0), "a number of steps, at least 0")
        soft = self.reset == "soft"
        check("v_reset", not soft or self.v_reset == 0, "0 with a soft reset, which subtracts the threshold instead")

    @property
    def soft(self) -> bool:
        """Whether a spike subtracts the threshold instead of setting the potential to `v_reset`."""
        return self.reset == "soft"


def _count(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def state_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype the state is kept in for a current of `dtype`: float64 for float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def constant(value: float | Tensor, like: Tensor) -> Tensor:
    """`value` as a tensor of the state dtype of `like`; a number stays a CPU scalar, a tensor keeps its gradient."""
    if isinstance(value, Tensor):
        return value.to(state_dtype(like.dtype))
    return torch.tensor(value, dtype=state_dtype(like.dtype))


def lif_step(
    h: Tensor, x: Tensor, parameters: LIFParameters, beta: Tensor, v_threshold: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of Eq. 4: state `h` (...) and current `x` (...) give (spikes, next state), all in the state dtype."""
    u = h + x
    s = spike(u, v_threshold, parameters.surrogate, parameters.surrogate_alpha)
    fed_back = s.detach() if parameters.detach_reset else s
    if parameters.soft:
        return s, beta * (u - v_threshold * fed_back)
    return s, parameters.v_reset * fed_back + (beta * u) * (1 - fed_back)


def lif_reference(
    current: Tensor,
    parameters: LIFParameters,
    v: Tensor | None = None,
    *,
    beta: float | Tensor | None = None,
    v_threshold: float | Tensor | None = None,
    return_potential: bool = False,
) -> tuple[Tensor, ...]:
    """The reference: Eq. 4 as a plain loop over T, differentiated by autograd.

    `current` (T, ...) -> spikes (T, ...) in the current's dtype and the final state (...) in the state dtype.
    `v` (...) is the initial state, zeros by default. `beta` and `v_threshold` override the parameters with a number
    or a tensor that broadcasts over the last axes, for learned values. With `return_potential` also the potentials
    U (T, ...) in the state dtype.
    """
    beta = constant(parameters.beta if beta is None else beta, current)
    v_threshold = constant(parameters.v_threshold if v_threshold is None else v_threshold, current)
    dtype = state_dtype(current.dtype)
    h = torch.zeros(current.shape[1:], dtype=dtype, device=current.device) if v is None else v.to(dtype)
    spikes, potentials = [], []
    for t, x in enumerate(current.unbind(0)):
        if parameters.truncate and t and t % parameters.truncate == 0:
            h = h.detach()
        x = x.to(dtype)
        if return_potential:
            potentials.append(h + x)
        s, h = lif_step(h, x, parameters, beta, v_threshold)
        spikes.append(s.to(current.dtype))
    traced = (torch.stack(potentials),) if return_potential else ()
    return torch.stack(spikes), h, *traced
