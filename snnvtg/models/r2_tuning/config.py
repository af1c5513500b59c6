"""Configuration of R²-Tuning."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from snnvtg.errors import InputError
from snnvtg.models.r2_tuning.losses import R2LossConfig
from snnvtg.models.r2_tuning.pyramid import PointPlace
from snnvtg.models.ranges import check_counts, check_shares
from snnvtg.neurons import LIFParameters

Spiking = Literal["none", "ffn", "heads", "both"]


@dataclass(frozen=True)
class R2TuningConfig:
    """What R²-Tuning is built from; the defaults are the paper's for QVHighlights.

    What the paper does not have is off by default and says so.
    """

    num_layers: int = 4
    """K, the last layers of CLIP that are read. 1 is the degenerate form on final-layer features: one class token for
    each clip, no patches, so no spatial pooling, nothing to refine and no layer-wise calibration"""
    width: int = 256
    """C"""
    num_heads: int = 8
    feed_forward: int = 4
    """width of the hidden layer of the feed-forward network, in C"""
    drop_path: float = 0.1
    input_dropout: float = 0.5
    """before both linear layers of both maps; in the released code, not in the paper"""
    head_dropout: float = 0.0
    """inside the convolutional heads where they do not spike; not in the paper"""
    drop_features: bool = False
    """drop a feature of all clips, or all words, of a sample at once: what is dropped in one clip could be read off the
    next; not in the paper"""
    time_endpoints: bool = True
    """join to each clip where it starts and ends in the video; in the released code, not in the paper"""
    centre_videos: bool = False
    """subtract from each place of a frame (class token, each patch) its mean over the video; not in the paper"""
    standardise: bool = False
    """divide each feature of clips and words by its deviation over the training set, words less their mean: LayerNorm
    alone leaves large features large; for one layer only, not in the paper"""
    strides: tuple[int, ...] = (1, 2, 4, 8)
    """clips between two points of each level of the pyramid: powers of two from 1; one level for highlights"""
    centre_radius: float = 1.5
    """a point answers for a moment only so many strides from its middle; of the released code, not in the paper"""
    point_place: PointPlace = "start"
    """where on its stretch of clips a point stands: `start` is the paper's frame index, `centre` the middle of it"""
    saliency_from: Literal["cosine", "class"] = "cosine"
    """the score of a clip: Eq. 14, or the foreground probability, as for TVSum and YouTube Highlights"""
    saliency_of: Literal["hidden", "frames"] = "hidden"
    """which clips the cosine of Eq. 14 is of: the `hidden` state of the last step, as in the paper, or the class tokens
    of the last layer in the space that calibration shares with the query; the saliency loss trains the same"""
    foreground_reads_saliency: bool = False
    """add a learned multiple of that cosine to the foreground logit; not in the paper"""
    spiking: Spiking = "none"
    """what spikes: the hidden layer of the feed-forward network (`ffn`), of the convolutional heads, both, or nothing
    as in the paper"""
    num_timesteps: int = 4
    """T of the spiking parts"""
    decoding: Literal["points", "expected_iou"] = "points"
    """`points`: each proposes a window, ranked by its foreground probability, as in the paper; `expected_iou`: all
    windows between two clip edges, ranked by what the points agree on (see `clipwise.decoding`)"""
    agreement_temperature: float = 0.45
    """of the softmax over points that weighs their windows for `expected_iou`"""
    top: int = 50
    """windows taken by score before suppression"""
    nms_threshold: float = 0.7
    """IoU above which the worse of two windows is suppressed"""
    lif: LIFParameters = field(default_factory=LIFParameters)
    loss: R2LossConfig = field(default_factory=R2LossConfig)

    def __post_init__(self):
        check_counts(self, "num_layers", "width", "num_heads", "feed_forward", "num_timesteps", "top")
        if self.width % self.num_heads:
            raise InputError(f"num_heads: expected a divisor of width {self.width}, got {self.num_heads}")
        check_shares(self, "drop_path", "input_dropout", "head_dropout")
        if not self.strides or self.strides[0] != 1 or any(b != 2 * a for a, b in pairwise(self.strides)):
            raise InputError(f"strides: expected 1 and its doubles, as 1,2,4,8, got {self.strides}")
        if self.standardise and not self.degenerate:
            raise InputError(f"standardise: expected false with num_layers={self.num_layers}, of videos on disk")
        for name in ("centre_radius", "agreement_temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name}: expected a finite number above 0, got {getattr(self, name)}")
        if not 0 <= self.nms_threshold <= 1:
            raise InputError(f"nms_threshold: expected an IoU from 0 to 1, got {self.nms_threshold}")

    @property
    def degenerate(self) -> bool:
        """Whether this is the form on final-layer features: K = 1, class token only."""
        return self.num_layers == 1
