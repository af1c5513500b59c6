"""What R²-Tuning returns."""

from dataclasses import dataclass, field

from torch import Tensor

from snnvtg.models.r2_tuning.pyramid import Points
from snnvtg.models.shares import samples_on


@dataclass(frozen=True)
class R2Output:
    """B samples, L clips, K layers, M places of the pyramid's sequence, width C."""

    points: Points = field(metadata=samples_on(None))
    point_mask: Tensor
    """(B, M): whether it is a point of this video"""
    class_logits: Tensor
    """(B, M): foreground"""
    distances: Tensor
    """(B, M, 2): from the point back to the start and on to the end, in strides, above 0"""
    saliency: Tensor
    """(B, L): cosine of `clips` and `query`"""
    clips: Tensor
    """(B, L, C): h, or what the setting `saliency_of` puts in its place"""
    query: Tensor
    """(B, C): the pooled query of the same step"""
    frames: Tensor
    """(B, K, L, C): class tokens in the common space, the last layer first"""
    queries: Tensor
    """(B, K, C): pooled queries in the common space, the last layer first"""
