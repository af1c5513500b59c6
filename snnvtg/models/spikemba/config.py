"""Configuration of SpikeMba."""

from dataclasses import dataclass, field
from typing import Literal

from snnvtg.errors import InputError
from snnvtg.layers.mamba import Direction
from snnvtg.models.clipwise import ClipwiseConfig
from snnvtg.models.spikemba.detector import Encoding
from snnvtg.models.spikemba.losses import SpikeMbaLossConfig
from snnvtg.models.spikemba.slots import SlotPosition
from snnvtg.neurons import LIFParameters


@dataclass(frozen=True)
class SpikeMbaConfig(ClipwiseConfig):
    """What SpikeMba is built from; the defaults are the paper's where it gives them, else the smallest repair.

    Where a field repairs the printed paper, its description gives the printed form as well.
    """

    num_timesteps: int = 8
    """T, simulation steps of the spiking neurons: 8 for moment retrieval, 10 for highlight detection"""
    expand: int = 2
    """E / d inside the Mamba blocks"""
    state_size: int = 16
    conv_width: int = 4
    num_slots: int = 8
    """relevant slots per modality and block; 0 is the model without them"""
    slot_position: SlotPosition = "suffix"
    """printed: suffix, [O, R]; with a forward scan only prefix carries them to the clips"""
    scan_direction: Direction = "bidirectional"
    """printed: forward"""
    text_fusion: Literal["pooled", "attended", "concat"] = "pooled"
    """line 18 of Alg. 1 adds sequences of different lengths; pooled: the text's y as one vector; attended: as one
    vector for each clip, by attention from clips to words; concat: one scan over text, then video"""
    cmr_residual: bool = True
    """printed: False; six blocks do not train without it"""
    use_cmr: bool = True
    use_ssd: bool = True
    """False: MRM is gated by its own input instead of spikes (the paper's row W/o SSD)"""
    detector: Literal["spiking", "dense"] = "spiking"
    """dense: its twin without a neuron, softmax attention with the same projections; what it gives, at least 0 like a
    rate, takes the place of S everywhere. Against it one sees what the spikes buy, against use_ssd=False what S does"""
    mrm_gate: Literal["normed", "rates"] = "normed"
    """line 2 of Alg. 2; printed: normed, z = Linear(Norm(S)), which takes away how much a clip fires; rates: without"""
    proposal_current: Literal["printed", "matched"] = "printed"
    """matched: the neurons of S hear, beside BN(Linear(G)), how well the clip matches the query in the match space"""
    proposals_weigh: bool = False
    """the foreground logit reads the last block's spikes as well (not in the paper, whose proposals nothing reads)"""
    proposals_replace: bool = False
    """and reads them in place of s_i, which reaches it through the spikes alone; without a detector it reads s_i"""
    boundaries_read: Literal["output", "proposals"] = "output"
    """what the head of the boundaries reads: O of the last block, or the rates of its S, so that L_s, which the paper
    calls the saliency proposal loss, trains S without MRM between them; without a detector it reads O"""
    qkv_bn: bool = True
    """printed: False"""
    attention_scale: float = 0.125
    attention_order: Literal["scores", "values"] = "scores"
    """scores: (QKᵀ)V as printed; values: Q(KᵀV), the same integers with fewer operations where M > d / heads"""
    encoding: Encoding = "direct"
    """how X of Eq. 5, which the paper does not define, reaches the neurons of Q, K and V: as the current of every step,
    or as spikes over T (`poisson`, `latency`; see `neurons.encoding`)"""
    feedback: bool = False
    """what a step finds salient is heard louder at the next (after SpikingVTG; see `timesteps.SaliencyFeedback`)"""
    threshold_spread: float = 0.0
    """by how much the thresholds of S differ over the channels at first, from 1 − spread to 1 + spread"""
    lif: LIFParameters = field(default_factory=LIFParameters)
    loss: SpikeMbaLossConfig = field(default_factory=SpikeMbaLossConfig)

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "num_timesteps", "expand", "state_size", "conv_width")
        self.at_least(0, "num_slots")
        if self.proposals_replace and not self.proposals_weigh:
            raise InputError("proposals_replace: expected false where proposals_weigh is false, got true")
        if not 0 <= self.threshold_spread < 1:
            raise InputError(f"threshold_spread: expected a number in [0, 1), got {self.threshold_spread}")
        if self.detector == "dense" and (self.feedback or self.encoding != "direct" or self.loss.rate):
            raise InputError("detector: dense has no neurons; expected feedback=false, encoding=direct, loss.rate=0")
        if self.proposal_current == "matched" and self.alignment != "match":
            raise InputError(f"proposal_current: matched needs alignment=match, got {self.alignment}")

    @property
    def fires(self) -> bool:
        """Whether there is a neuron in the model."""
        return self.use_ssd and self.detector == "spiking"
