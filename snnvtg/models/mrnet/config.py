"""Configuration of MRNet."""

import math
from dataclasses import dataclass, field
from typing import Literal

from snnvtg.errors import InputError
from snnvtg.models.ranges import LARGEST, check_counts, check_shares, check_weights
from snnvtg.neurons import LIFParameters

COUNTS = (
    "width num_blocks num_heads expand num_clips pre_pool input_width map_channels map_layers map_kernel "
    "num_moments num_decoder_layers num_timesteps"
).split()


@dataclass(frozen=True)
class MRNetLossConfig:
    """Weights and forms of the losses (Eq. 12)."""

    iou: float = 1.0
    iou_range: tuple[float, float] = (0.5, 1.0)
    """IoU that becomes target 0 and IoU that becomes target 1, linear between"""
    contrastive: float = 0.1
    """λ_c: 0.05 on Charades-STA"""
    contrastive_temperature: float = 0.1
    contrastive_margin: float = 0.3
    """what a matching pair's cosine has to be higher by"""
    sparse: float = 10.0
    """λ_s"""
    sparse_ratio: float = 0.25
    """α of Section 4.2.2: the loss stops at a mean mask of 0.5 α (Section 4.4.3); 0 is Eq. 6 as printed"""
    sparse_mean: Literal["all", "off_diagonal"] = "all"
    """all: the mean over the whole table, Eq. 6; the released code leaves the diagonal out, whose entries reach no
    output (the difference is 1 / T)"""
    saliency: float = 0.0
    """weight of the hinge loss of a saliency head; 0 is no such head, and no saliency is predicted"""
    saliency_margin: float = 0.2
    span: float = 10.0
    """of `head=moments`, as the next two and `background`: L1 of centre and width"""
    generalised_iou: float = 1.0
    label: float = 4.0
    background: float = 0.1
    """weight of a moment query that has no moment, against 1 of one that has"""

    def __post_init__(self):
        check_weights(self)
        if not self.contrastive_temperature > 0:
            raise InputError(
                f"loss.contrastive_temperature: expected a number above 0, got {self.contrastive_temperature}"
            )
        if len(self.iou_range) != 2 or not 0 <= self.iou_range[0] < self.iou_range[1] <= 1:
            raise InputError(f"loss.iou_range: expected two IoUs of 0…1 in ascending order, got {self.iou_range}")
        if self.sparse_ratio > 1:
            raise InputError(f"loss.sparse_ratio: expected a share in [0, 1], got {self.sparse_ratio}")


@dataclass(frozen=True)
class MRNetConfig:
    """What MRNet is built from; the defaults are the paper's.

    Where the released code differs from the paper, the description gives both and why the default is what it is.
    """

    width: int = 256
    """d"""
    num_blocks: int = 2
    num_heads: int = 8
    expand: int = 4
    """hidden width of the feed-forward networks over d"""
    num_clips: int = 64
    """T of the paper: cells of the grid every video is averaged to (64; TACoS 128, QVHighlights 75)"""
    pre_pool: int = 4
    """cells of the finer grid that features are averaged to first, per clip"""
    input_width: int = 512
    """width of the first convolution over the video"""
    features: Literal["l2", "standardised"] = "l2"
    """l2: each clip at norm 1, as the paper; standardised: each dimension less the video's mean, over its deviation in
    the training set, which tells the clips of one video apart where features share a large mean"""
    input_dropout: float = 0.0
    """share of whole input dimensions dropped per sample in training; not in the paper"""
    mlp_dropout: float = 0.5
    """in front of both linear layers over the video"""
    dropout: float = 0.1
    """of what retention and feed-forward network add"""
    text_pooling: Literal["mean", "attentive"] = "mean"
    """how word vectors become the sentence vector that the paper starts from; its GloVe form is the mean"""
    queries: Literal["single", "multi"] = "single"
    """multi: in training, every query of a video reads the video's others (MRNet-M)"""
    query_order: Literal["own_first", "start"] = "own_first"
    """where `queries` or `evaluation_queries` puts several together: a query before its companions, so that it stands
    where it will alone; start: by the start of their moments, as the released code does, which tells the answers' order
    through the positions"""
    evaluation_queries: Literal["single", "joint"] = "single"
    """single: each query alone, as Section 4.2.3 promises; joint: with the others of its video in the batch, as the
    released code does. With query_order=start that reads the answers: a leak to be measured, not a figure to report"""
    position: Literal["xpos", "none"] = "xpos"
    gamma: float = 0.98
    """γ of Eq. 4; 1 is no decay"""
    direction: Literal["bidirectional", "forward"] = "bidirectional"
    """forward: γ^(n−m) for n ≥ m, else 0 (Section 4.4.2)"""
    sparse_mask: bool = True
    """the learnable mask of Eq. 5"""
    sparse_diagonal: Literal["paper", "released"] = "paper"
    """diagonal of that mask: 1 as Eq. 5, or 2 as in the released code, which sharpens a clip's logit of itself; the
    default is the paper's, whose text calls the self-token mask an identity"""
    mask_form: Literal["logits", "weights"] = "logits"
    """logits: masks multiply logits, as Eq. 7 and the released code, so that a place masked to 0 still weighs exp(0);
    weights: they multiply the exponentials, so that it weighs nothing"""
    logit_scale: Literal["video", "all", "none"] = "video"
    """which logits are divided by √(d / heads): none as Eq. 2 is printed; video to video alone in the released code,
    which is the default because the published figures are its; all, as attention usually has it"""
    retention_norm: bool = True
    """layer normalisation in front of the retention, as the released code; Eq. 9 prints it before the FFN alone, and
    without it the logits have no scale"""
    head: Literal["map", "moments"] = "map"
    """map: the 2-D proposal map; moments: moment queries and a decoder like Moment-DETR's, the paper's for
    QVHighlights"""
    map_counts: tuple[int, ...] = (15, 8, 8)
    """lengths of proposals at each stride 1, 2, 4, …, besides those of one clip"""
    map_channels: int = 512
    map_layers: int = 4
    map_kernel: int = 9
    match_space: int = 0
    """width of a linear space in which clips and query meet before any block; 0, as the paper, is none. Where there is
    one, the contrastive branch compares the mean clip of a proposal with the query there, so that neither has heard the
    other and the query alone answers nothing, and the blocks read the products of clip and query"""
    contrastive_gain: float = 0.0
    """where the learned multiple of the contrastive cosine that is added to the IoU logit starts; 0, as the paper,
    adds none"""
    saliency_gain: float = 0.0
    """the same for a clip's cosine with the query in the match space and its saliency"""
    score_power: float = 0.5
    """p: a proposal's score is σ(IoU logit) · (cos / 2 + 1/2)^p"""
    nms_threshold: float = 0.5
    num_moments: int = 10
    """moment queries of `head=moments`"""
    num_decoder_layers: int = 2
    spiking: Literal["none", "ffn", "map", "both"] = "none"
    """where LIF neurons stand: in place of the GELU of the feed-forward networks, of the ReLUs of the 2-D map, or of
    both; not in the paper. The map holds nearly all of the model's products"""
    num_timesteps: int = 4
    """T, simulation steps of the neurons"""
    lif: LIFParameters = field(default_factory=LIFParameters)
    loss: MRNetLossConfig = field(default_factory=MRNetLossConfig)

    def __post_init__(self):
        check_counts(self, *COUNTS)
        check_shares(self, "input_dropout", "mlp_dropout", "dropout")
        for name in ("gamma", "nms_threshold"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name}: expected a number in (0, 1], got {getattr(self, name)}")
        for name in ("score_power", "contrastive_gain", "saliency_gain"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name}: expected a finite number of at least 0, got {getattr(self, name)}")
        self._check_combinations()

    def _check_combinations(self) -> None:
        if not 0 <= self.match_space <= LARGEST:
            raise InputError(f"match_space: expected a number from 0 to {LARGEST}, got {self.match_space}")
        if self.width % (2 * self.num_heads):
            raise InputError(f"width: expected a multiple of 2 · num_heads = {2 * self.num_heads}, got {self.width}")
        if self.map_kernel % 2 == 0:
            raise InputError(f"map_kernel: expected an odd number of clips, got {self.map_kernel}")
        if not self.map_counts or min(self.map_counts) < 1:
            raise InputError(f"map_counts: expected numbers of at least 1, got {self.map_counts}")
        if self.head == "moments" and self.spiking in ("map", "both"):
            raise InputError(f"spiking: head=moments has no map; expected none or ffn, got {self.spiking}")
