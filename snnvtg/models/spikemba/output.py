"""What SpikeMba returns besides its clips: the spikes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from snnvtg.models.clipwise import ClipwiseOutput
from snnvtg.models.shares import samples_on


@dataclass(frozen=True)
class SpikeMbaOutput(ClipwiseOutput):
    """Dense output over clips, and what the detector of every block says of them; T time steps."""

    spikes: tuple[Tensor, ...] = field(default=(), metadata=samples_on(1))
    """one (T, B, L, d) per block, of a dense detector (1, B, L, d) at least 0; empty without a detector"""
    other_rates: Tensor | None = None
    """r_i (B, L) of the same videos under the query before in the batch; only in training with `loss.query_contrast`"""
    rates: Mapping[str, Tensor] = field(default_factory=dict, metadata=samples_on(None))
    """spikes per neuron and step of each LIF layer, differentiable; only in training with a firing-rate penalty"""
