"""The kinds of neuron a backend is tried with."""

from dataclasses import dataclass

from snnvtg.neurons.lif import LIFParameters
from snnvtg.neurons.surrogate import SURROGATES


@dataclass(frozen=True)
class Case:
    """A neuron; `per_channel` spreads the learned values over the channels of the last axis."""

    parameters: LIFParameters
    per_channel: bool = False


CASES: dict[str, Case] = {
    "default": Case(LIFParameters()),
    "beta 0.9": Case(LIFParameters(beta=0.9)),
    "threshold 0.7": Case(LIFParameters(v_threshold=0.7)),
    "full reset gradient": Case(LIFParameters(beta=0.75, detach_reset=False)),
    "v_reset -0.3": Case(LIFParameters(v_reset=-0.3)),
    "v_reset 0.2, full reset gradient": Case(LIFParameters(v_reset=0.2, detach_reset=False)),
    "soft reset": Case(LIFParameters(reset="soft")),
    "soft reset, beta 0.9, full reset gradient": Case(LIFParameters(reset="soft", beta=0.9, detach_reset=False)),
    "no memory (beta 0)": Case(LIFParameters(beta=0.0)),
    "no leak (beta 1)": Case(LIFParameters(beta=1.0)),
    "learned beta": Case(LIFParameters(beta=0.6, learn_beta=True)),
    "learned threshold": Case(LIFParameters(learn_threshold=True)),
    "both learned per channel": Case(LIFParameters(beta=0.6, learn_beta=True, learn_threshold=True), True),
    "both learned per channel, soft, full reset gradient": Case(
        LIFParameters(beta=0.6, reset="soft", detach_reset=False, learn_beta=True, learn_threshold=True), True
    ),
    **{
        f"surrogate {name}": Case(LIFParameters(surrogate=name, surrogate_alpha=1.5))
        for name in SURROGATES
        if name != "atan"
    },
}
