"""What MRNet returns."""

from dataclasses import dataclass, field

from torch import Tensor

from snnvtg.models.shares import samples_on


@dataclass(frozen=True)
class MapOutput:
    """B samples, C proposals of the 2-D map."""

    iou_logits: Tensor
    """(B, C): 10 · cosine of IoU branch and query, and what `contrastive_gain` adds"""
    cosine: Tensor
    """(B, C): of contrastive branch and query"""
    proposals: Tensor
    """(B, C, ·): the contrastive branch, at norm 1"""
    query: Tensor
    """(B, ·): what it is compared with, at norm 1"""
    scores: Tensor
    """(B, C): σ(iou_logits) · (cosine / 2 + 1/2)^p"""
    spans: Tensor = field(metadata=samples_on(None))
    """(C, 2): start and end as shares of the video"""


@dataclass(frozen=True)
class MomentsOutput:
    """B samples, K moment queries, after each layer of the decoder."""

    spans: Tensor = field(metadata=samples_on(1))
    """(layers, B, K, 2): centre and width as shares of the video"""
    logits: Tensor = field(metadata=samples_on(1))
    """(layers, B, K, 2): foreground, background"""


@dataclass(frozen=True)
class MRNetOutput:
    """The answer of the head that the model has, and of its saliency head."""

    answer: MapOutput | MomentsOutput
    saliency: Tensor | None
    """(B, L)"""
    tables: tuple[Tensor, ...] = field(metadata=samples_on(None))
    """W_LS (T, T) of every block; none without a sparse mask"""
