"""From features as stored to a grid of clips and a sequence of sentence vectors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from snnvtg.data import GroundingDataset
from snnvtg.data.statistics import mean_and_deviation
from snnvtg.layers.pooling import AttentivePooling
from snnvtg.layers.projection import FeatureDropout, normed_projection
from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.records import Batch, Query


def grid_weights(valid_mask: Tensor, cells: int) -> Tensor:
    """(B, cells, L): what share of each cell of an even grid over the real clips each clip covers; rows sum to 1."""
    length = valid_mask.sum(1)[:, None, None].float()
    cell = torch.arange(cells, device=valid_mask.device).unsqueeze(1) * length / cells  # (B, cells, 1): where it begins
    clip = torch.arange(valid_mask.shape[1], device=valid_mask.device)
    shared = torch.minimum(clip + 1, cell + length / cells) - torch.maximum(clip.to(cell.dtype), cell)
    return shared.clamp(min=0) * (cells / length)  # the last cell ends with the last real clip


def cells_of_clips(valid_mask: Tensor, cells: int) -> Tensor:
    """(B, L) int64: the cell of the grid in which each clip's centre lies; any cell under padding."""
    length = valid_mask.sum(1, keepdim=True)
    place = (torch.arange(valid_mask.shape[1], device=valid_mask.device) + 0.5) * cells / length
    return place.long().clamp(max=cells - 1)


class Preprocessed(nn.Module):
    """Features as the model reads them: L2-normalised, or standardised and centred on each sequence."""

    def __init__(self, width: int, form: Literal["l2", "standardised"], dropout: float, *, centred: bool):
        super().__init__()
        self.form, self.centred, self.dropout = form, centred, FeatureDropout(dropout)
        if form == "standardised":
            self.register_buffer("mean", torch.zeros(width))
            self.register_buffer("scale", torch.ones(width))

    @torch.no_grad()
    def fit(self, sequences: Iterable[np.ndarray]) -> None:
        """Mean and deviation of the rows of the training set, each dimension on its own."""
        if self.form == "l2":
            return
        parts = (part.astype(np.float64) for part in sequences)
        mean, found = mean_and_deviation(part - part.mean(0) if self.centred else part for part in parts)
        deviation = torch.from_numpy(found).float()
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0))

    def forward(self, x: Tensor, valid_mask: Tensor) -> Tensor:
        """x (B, L, C), valid_mask (B, L) -> the same shape; 0 under padding."""
        keep = valid_mask.unsqueeze(-1).to(x.dtype)
        if self.form == "l2":
            return self.dropout(nn.functional.normalize(x, dim=-1) * keep)
        if self.centred:
            x = x - (x * keep).sum(1, keepdim=True) / keep.sum(1, keepdim=True)
        return self.dropout((x - self.mean) * self.scale * keep)


class VideoInput(nn.Module):
    """Clips averaged to a fine grid, a convolution of width 1 with ReLU, averaged to T clips, two linear layers."""

    def __init__(self, config: MRNetConfig, video_width: int):
        super().__init__()
        self.cells, self.pre_pool = config.num_clips, config.pre_pool
        self.conv = nn.Linear(video_width, config.input_width)  # a convolution of one clip
        self.layers = normed_projection(config.input_width, config.width, config.width, dropout=config.mlp_dropout)

    def forward(self, x: Tensor, valid_mask: Tensor) -> Tensor:
        """x (B, L, Dv), valid_mask (B, L) -> (B, T, d)."""
        fine = torch.bmm(grid_weights(valid_mask, self.cells * self.pre_pool), x)
        hidden = nn.functional.relu(self.conv(fine)).unflatten(1, (self.cells, self.pre_pool)).mean(2)
        return self.layers(hidden)


@dataclass(frozen=True)
class Questions:
    """The queries each sample of a batch reads: M of them, N words each."""

    words: Tensor
    """(B, M, N, Dt)"""
    word_mask: Tensor
    """(B, M, N) bool; a query without words is none"""
    own: Tensor
    """(B,) int64: which of the M the sample asks"""

    @property
    def mask(self) -> Tensor:
        """(B, M): which queries are there."""
        return self.word_mask.any(-1)


class SentenceVectors(nn.Module):
    """One vector per query from its words (the paper's input), projected."""

    def __init__(self, config: MRNetConfig, text_width: int):
        super().__init__()
        self.pool = AttentivePooling(text_width) if config.text_pooling == "attentive" else None
        self.project = nn.Linear(text_width, config.width)

    def pooled(self, words: Tensor, mask: Tensor) -> Tensor:
        """words (B, N, Dt), mask (B, N) -> (B, Dt); zeros for a query without words."""
        if self.pool is not None:
            return self.pool(words, mask).squeeze(1)
        return (words * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """words (B, M, N, Dt), mask (B, M, N) -> (B, M, d)."""
        flat = self.pooled(words.flatten(0, 1), mask.flatten(0, 1))
        return self.project(flat).unflatten(0, words.shape[:2])


@dataclass(frozen=True)
class Asked:
    """A query and its words (N, Dt)."""

    query: Query
    words: Tensor


def asked_in(batch: Batch) -> dict[str, list[Asked]]:
    """The queries of a batch by their videos."""
    found: dict[str, list[Asked]] = {}
    for row, query in enumerate(batch.queries):
        found.setdefault(query.vid, []).append(Asked(query, batch.text[row, batch.text_mask[row]]))
    return found


def asked_of_all(train: GroundingDataset) -> dict[str, list[Asked]]:
    """The queries of a split by their videos."""
    found: dict[str, list[Asked]] = {}
    for query, words in zip(train.queries, train.texts, strict=True):
        found.setdefault(query.vid, []).append(Asked(query, torch.from_numpy(words)))
    return found


def alone(batch: Batch) -> Questions:
    """Every query by itself."""
    own = torch.zeros(len(batch), dtype=torch.long, device=batch.text.device)
    return Questions(batch.text.unsqueeze(1), batch.text_mask.unsqueeze(1), own)


def together(batch: Batch, known: Mapping[str, list[Asked]], order: Literal["own_first", "start"]) -> Questions:
    """Every query with those `known` of its video, itself among them once."""
    rows: list[list[Asked]] = []
    for row, query in enumerate(batch.queries):
        mine = Asked(query, batch.text[row, batch.text_mask[row]])
        asked = [mine, *(other for other in known.get(query.vid, ()) if other.query.qid != query.qid)]
        rows.append(sorted(asked, key=_start) if order == "start" else asked)
    most, longest = max(map(len, rows)), max(len(asked.words) for row in rows for asked in row)
    words = batch.text.new_zeros(len(rows), most, longest, batch.text.shape[-1])
    mask = batch.text_mask.new_zeros(len(rows), most, longest)
    for number, row in enumerate(rows):
        for place, asked in enumerate(row):
            words[number, place, : len(asked.words)] = asked.words
            mask[number, place, : len(asked.words)] = True
    mine = [[a.query is q for a in row].index(True) for row, q in zip(rows, batch.queries, strict=True)]
    return Questions(words, mask, torch.tensor(mine, device=words.device))


def _start(asked: Asked) -> float:
    return min((start for start, _ in asked.query.relevant_windows), default=float("inf"))
