"""Configuration of SpikeMba and its presets."""

from dataclasses import dataclass, field
from typing import Literal

from snnvtg.errors import InputError
from snnvtg.layers.slots import SlotPosition
from snnvtg.layers.ssm import Direction
from snnvtg.models.output import Decoding
from snnvtg.neurons import LIFParameters


@dataclass(frozen=True)
class SpikeMbaConfig:
    """What SpikeMba is built from; the defaults are the paper's where it gives them, else the smallest repair.

    Where a field repairs the printed paper, its description gives the printed form as well.
    """

    width: int = 256
    """d, the width of the model (the paper gives none)"""
    num_blocks: int = 6
    num_timesteps: int = 8
    """T, simulation steps of the spiking neurons: 8 for moment retrieval, 10 for highlight detection"""
    num_heads: int = 8
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
    text_fusion: Literal["pooled", "concat"] = "pooled"
    """line 18 of Alg. 1 adds sequences of different lengths; pooled: the text's y as one vector; concat: one scan over
    text, then video"""
    cmr_residual: bool = True
    """printed: False; six blocks do not train without it"""
    use_cmr: bool = True
    use_ssd: bool = True
    """False: MRM is gated by its own input instead of spikes (the paper's row W/o SSD)"""
    qkv_bn: bool = True
    """printed: False"""
    attention_scale: float = 0.125
    attention_order: Literal["scores", "values"] = "scores"
    """scores: (QKᵀ)V as printed; values: Q(KᵀV), the same integers with fewer operations where M > d / heads"""
    lif: LIFParameters = field(default_factory=LIFParameters)
    centre_videos: bool = False
    """subtract from each clip its video's mean: what all clips share cannot tell them apart, only be memorised"""
    position: Literal["sinusoidal", "none"] = "sinusoidal"
    dropout: float = 0.1
    input_dropout: float = 0.3
    head_kernel: int = 3
    decoding: Decoding = "clip"
    """how windows are read off the heads, see `predict`"""
    foreground_reads_saliency: bool = True
    """add a learned multiple of s_i to the foreground logit; without it the head finds events, not the one asked for"""

    def __post_init__(self):
        for name in ("width", "num_blocks", "num_timesteps", "num_heads", "expand", "state_size", "conv_width"):
            _at_least(self, name, 1)
        _at_least(self, "num_slots", 0)
        if self.width % self.num_heads:
            raise InputError(f"num_heads: expected a divisor of width {self.width}, got {self.num_heads}")
        for name in ("dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}: expected a share in [0, 1), got {getattr(self, name)}")


def _at_least(config: SpikeMbaConfig, name: str, low: int) -> None:
    value = getattr(config, name)
    if value < low:
        raise InputError(f"{name}: expected at least {low}, got {value}")
