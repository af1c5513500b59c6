"""What a clip-wise model returns."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ClipwiseOutput:
    """Dense output over clips; B samples, L clips, width d."""

    foreground_logits: Tensor
    """(B, L)"""
    boundaries: Tensor
    """(B, L, 2): distances, in clips and never negative, from the clip's centre back to the start and on to the end"""
    saliency: Tensor
    """s_i (B, L): cosine of clip and query"""
    clips: Tensor
    """(B, L, m): what s_i compares with the query: O of the last block, or the clips in the match space"""
    query: Tensor
    """(B, m): the pooled text, or the query in the match space"""
    words: Tensor | None
    """(B, d): the pooled text, where the model pools it"""
