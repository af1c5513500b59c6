"""Configuration of MamFusion and of its losses."""

import math
from dataclasses import dataclass, field
from typing import Literal

from snnvtg.errors import InputError
from snnvtg.models.ranges import check_counts, check_shares
from snnvtg.models.retrieval_losses import RetrievalLossConfig
from snnvtg.neurons import LIFParameters


@dataclass(frozen=True)
class MamFusionLossConfig(RetrievalLossConfig):
    """Weights and constants of the losses. The paper prints none; the defaults are its released code's for Charades."""

    clip_nce: float = 0.008
    frame_nce: float = 0.01
    nce_logits: Literal["dot", "cosine"] = "dot"
    hard_negatives_from: int = 100
    diversity: float = 0.005
    """weight of the query-diversity loss, which keeps the queries of one video apart"""
    diversity_scale: float = 32.0
    diversity_margin: float = 0.15
    unfused: float = 1.0
    """weight of InfoNCE and triplets on the vectors before fusion, by which a store of videos is searched; not in the
    paper, and nothing where there is no fusion"""


@dataclass(frozen=True)
class MamFusionConfig:
    """What MamFusion is built from; the defaults are the paper's where it gives them, else its released code's."""

    width: int = 384
    """d, the width of the model"""
    num_heads: int = 4
    num_blocks: int = 2
    """Gaussian blocks of a branch, each followed by a Mamba"""
    num_clips: int = 32
    """M_c, segments that a video of any length is averaged to in the clip branch"""
    max_frames: int = 1024
    """most rows of the frame branch; a longer video is averaged to as many"""
    max_tokens: int = 30
    """most words that are read; what follows them is cut off, as in the released code"""
    sigmas: tuple[float, ...] = (0.5, 1.0, 5.0, math.inf)
    """widths of the Gaussians of a block, one attention unit for each; inf is attention without one"""
    distance: Literal["relative", "clips"] = "relative"
    """what the Gaussians measure. relative: nine times the distance as a share of the video, as released; clips: the
    distance in rows, as GMMFormer's paper prints it"""
    feed_forward: bool = False
    """a feed-forward network after every attention, as the paper says; the released code has none"""
    use_mamba: bool = True
    """False: the paper's row w/o Multi-Mamba"""
    state_size: int = 16
    conv_width: int = 4
    expand: int = 2
    fusion: Literal["paper", "released", "none"] = "paper"
    """paper: Eq. 3 and 4, each query with each video, in training and search alike; released: attention across the
    samples of a batch, which reaches nothing but the diversity loss and is not run in search"""
    video_to_text: bool = True
    """Eq. 3; False: the paper's row w/o V2T"""
    text_to_video: bool = True
    """Eq. 4; False: the paper's row w/o T2V"""
    fusion_residual: bool = True
    """printed: False, which makes a query of nothing but the clips it is to be compared with"""
    clip_weight: float = 0.7
    """share of the best clip's cosine in a video's score; the rest is the frame vector's"""
    projection: Literal["paper", "standardised"] = "paper"
    """paper: LayerNorm, dropout, linear, ReLU; standardised: each input dimension by its mean and deviation in the
    training set, then two linear layers"""
    linear_path: bool = False
    """each branch adds a linear map of its standardised inputs to what its network makes of them, which starts small
    beside it: with few queries that map is what carries over to other videos (not in the paper)"""
    input_dropout: float = 0.15
    dropout: float = 0.3
    spiking: Literal["none", "attention", "heads", "both"] = "none"
    """attention: in every attention unit what its heads have read becomes spikes in front of the last linear layer,
    which then adds weights up; heads: query, clips and frame vector become spike counts, compared as such; both. Not in
    the paper"""
    num_timesteps: int = 4
    """T of the neurons"""
    lif: LIFParameters = field(default_factory=LIFParameters)
    loss: MamFusionLossConfig = field(default_factory=MamFusionLossConfig)

    def __post_init__(self):
        sizes = ("width", "num_heads", "num_blocks", "num_clips", "max_frames", "max_tokens")
        check_counts(self, *sizes, "state_size", "conv_width", "expand", "num_timesteps")
        if self.linear_path and self.projection != "standardised":
            raise InputError(f"linear_path: needs projection=standardised, got {self.projection}")
        if self.width % self.num_heads:
            raise InputError(f"num_heads: expected a divisor of width {self.width}, got {self.num_heads}")
        if not self.sigmas or not all(sigma > 0 for sigma in self.sigmas):
            raise InputError(f"sigmas: expected widths above 0, at least one (inf is allowed), got {self.sigmas}")
        if not 0 <= self.clip_weight <= 1:
            raise InputError(f"clip_weight: expected a share in [0, 1], got {self.clip_weight}")
        check_shares(self, "dropout", "input_dropout")
