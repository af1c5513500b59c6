"""A trained space in which words and clips meet: two linear maps and a cosine.

Two thousand queries are few: a deep network trained on them answers from the query and the position alone, while a
linear map from words to clips generalises. This is that map, trained by the losses of the model instead of fitted in
closed form (`alignment.RidgeAlignment`), so that what stands behind it can shape it. Not in the paper.
"""

from torch import Tensor, nn

from snnvtg.data.features import ENDPOINTS
from snnvtg.layers.pooling import AttentivePooling
from snnvtg.layers.projection import FeatureDropout


class MatchSpace(nn.Module):
    """A x_i and B q in a space of `width`; neither map has a bias or a nonlinearity.

    x_i: the mean of `neighbours` standardised clips around clip i, without the time endpoints, which would say where
    moments usually are; q: the mean of the standardised words, or (`weighted`) each by a softmax of a learned score.
    Whole input dimensions are dropped, for all positions of a sample at once.
    """

    def __init__(self, video_width: int, text_width: int, width: int, dropout: float, neighbours: int, weighted: bool):
        super().__init__()
        self.neighbours = neighbours
        self.pool = AttentivePooling(text_width) if weighted else None
        self.drop = FeatureDropout(dropout)
        self.clip_map = nn.Linear(video_width - ENDPOINTS, width, bias=False)  # A
        self.word_map = nn.Linear(text_width, width, bias=False)  # B

    def forward(self, video: Tensor, video_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised video (B, L, Dv) and text (B, N, Dt) with masks -> A x (B, L, m), B q (B, m)."""
        clips = self.clip_map(self.drop(video[..., :-ENDPOINTS]))  # (B, L, m); linear, so averaged after the map
        query = mean_word(text, text_mask) if self.pool is None else self.pool(text, text_mask)  # (B, 1, Dt)
        return averaged(clips, video_mask, self.neighbours), self.word_map(self.drop(query)).squeeze(1)


def mean_word(text: Tensor, text_mask: Tensor) -> Tensor:
    """text (B, N, Dt) -> the mean over its words (B, 1, Dt)."""
    spoken = text_mask.unsqueeze(-1).to(text.dtype)
    return (text * spoken).sum(1, keepdim=True) / spoken.sum(1, keepdim=True)


def averaged(x: Tensor, valid_mask: Tensor, count: int) -> Tensor:
    """x (B, L, C): each position's mean over the valid ones among the `count` (odd) around it."""
    if count == 1:
        return x
    keep = valid_mask.unsqueeze(1).to(x.dtype)  # (B, 1, L)
    sums = nn.functional.avg_pool1d((x.transpose(1, 2) * keep), count, 1, count // 2)
    shares = nn.functional.avg_pool1d(keep, count, 1, count // 2)
    return (sums / shares.clamp(min=1 / (2 * count))).transpose(1, 2)


class ProductFeatures(nn.Module):
    """What clip and query share, dimension by dimension, brought to the width of the model.

    `product`: m · A x / |A x| ⊙ B q / |B q|, whose mean over the m dimensions is the cosine. `normed`: the same under a
    layer norm, which takes that mean away and leaves its pattern.
    """

    def __init__(self, match_width: int, width: int, normed: bool):
        super().__init__()
        self.norm = nn.LayerNorm(match_width) if normed else nn.Identity()
        self.linear = nn.Linear(match_width, width)

    def forward(self, clips: Tensor, query: Tensor) -> Tensor:
        """A x (B, L, m), B q (B, m) -> (B, L, d)."""
        clips, query = (nn.functional.normalize(part, dim=-1) for part in (clips, query))
        return self.linear(self.norm(clips * query.unsqueeze(1) * clips.shape[-1]))
