"""What SpikeMba returns besides its clips: the spikes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from snnvtg.models.clipwise import ClipwiseOutput


@dataclass(frozen=True)
class SpikeMbaOutput(ClipwiseOutput):
    """Dense output over clips, and the spikes of every block; T time steps."""

    spikes: tuple[Tensor, ...] = ()
    """one (T, B, L, d) per block; empty without a spiking detector"""
    other_rates: Tensor | None = None
    """r_i (B, L) of the same videos under the query before in the batch; only in training with `loss.query_contrast`"""
    rates: Mapping[str, Tensor] = field(default_factory=dict)
    """spikes per neuron and step of each LIF layer, differentiable; only in training with a firing-rate penalty"""
