"""A linear space in which clips and words meet before the blocks: not in the paper.

The paper's contrastive branch compares a query with proposals that have heard it, which the query alone can answer;
where videos are few that is what is learned. Here neither side has heard the other.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.inputs import grid_weights


class Matched(NamedTuple):
    """Where clips and query stand in the match space."""

    clips: Tensor
    """(B, T, w)"""
    query: Tensor
    """(B, w)"""

    @property
    def cosine(self) -> Tensor:
        """(B, T): of every clip and the query."""
        return F.cosine_similarity(self.clips, self.query.unsqueeze(1), dim=-1)


class MatchSpace(nn.Module):
    """Both sides projected linearly; their products, normalised and projected, for the blocks to read."""

    def __init__(self, config: MRNetConfig, video_width: int, text_width: int):
        super().__init__()
        self.num_clips, space = config.num_clips, config.match_space
        self.video, self.text = nn.Linear(video_width, space), nn.Linear(text_width, space)
        self.norm, self.lift = nn.LayerNorm(space), nn.Linear(space, config.width)

    def forward(self, video: Tensor, video_mask: Tensor, sentence: Tensor) -> Matched:
        """video (B, L, Dv), video_mask (B, L), sentence (B, Dt)."""
        grid = torch.bmm(grid_weights(video_mask, self.num_clips), video)
        return Matched(self.video(grid), self.text(sentence))

    def products(self, matched: Matched) -> Tensor:
        """(B, T, d): what the blocks read beside the clips."""
        return self.lift(self.norm(matched.clips * matched.query.unsqueeze(1)))
