"""Moment queries and a decoder, the paper's back-end for QVHighlights (after Moment-DETR, Lei et al., 2021).

The paper names Moment-DETR and QD-DETR, which differ; this is the former's: learned moment queries, span and class of
each, one-to-one matching, every decoder layer supervised, memory of both modalities. B samples · K moment queries ·
S positions of the memory · W windows.
"""

from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.layers.attention import MultiHeadAttention
from snnvtg.layers.feed_forward import feed_forward
from snnvtg.models.mrnet.config import MRNetConfig, MRNetLossConfig
from snnvtg.windows import aligned_iou, start_end

MOST_WINDOWS = 5
"""windows of a query that are matched, the first of them, as in Moment-DETR"""


class DecoderLayer(nn.Module):
    """Self-attention of the moment queries, attention to the memory, feed-forward network; normalised after each."""

    def __init__(self, config: MRNetConfig):
        super().__init__()
        width = config.width
        self.own, self.memory = (MultiHeadAttention(width, config.num_heads, dropout=config.dropout) for _ in range(2))
        self.ffn = feed_forward(width, config.expand * width, dropout=config.dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, place: Tensor, memory: Tensor) -> Tensor:
        """x (B, K, d), the queries' positions (B, K, d), memory (B, S, d) -> (B, K, d)."""
        everyone, everything = (x.new_ones(len(x), n, dtype=torch.bool) for n in (x.shape[1], memory.shape[1]))
        x = self.norms[0](x + self.dropout(self.own(x + place, x + place, everyone)))
        x = self.norms[1](x + self.dropout(self.memory(x + place, memory, everything)))
        return self.norms[2](x + self.dropout(self.ffn(x)))


class MomentHead(nn.Module):
    """A span (centre and width, as shares of the video) and a foreground logit per moment query, after each layer."""

    def __init__(self, config: MRNetConfig):
        super().__init__()
        width = config.width
        self.place = nn.Parameter(torch.randn(config.num_moments, width))
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_decoder_layers))
        self.span = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )
        self.label = nn.Linear(width, 2)

    def forward(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """memory (B, S, d) -> spans (layers, B, K, 2) and logits (layers, B, K, 2), foreground first."""
        place = self.place.expand(len(memory), -1, -1)
        x, found = torch.zeros_like(place), []
        for layer in self.layers:
            x = layer(x, place, memory)
            found.append(x)
        found = torch.stack(found)
        return self.span(found).sigmoid(), self.label(found)


class Matched(NamedTuple):
    """Which moment query answers which window: (row, moment query) and the window's span, N of them."""

    rows: Tensor
    moments: Tensor
    spans: Tensor
    """(N, 2): centre and width"""


@lru_cache
def _choices(num_moments: int, windows: int) -> Tensor:
    return torch.tensor(list(permutations(range(num_moments), windows)))


@torch.no_grad()
def match(spans: Tensor, logits: Tensor, windows: list[Tensor], config: MRNetLossConfig) -> Matched:
    """The one-to-one matching of least cost, found among all: spans (B, K, 2), logits (B, K, 2).

    `windows[b]` (W, 2) are start and end as shares of the video, at most `MOST_WINDOWS` of which count.
    """
    rows, moments, matched = [], [], []
    for row, found in enumerate(windows):
        truth = found[: min(MOST_WINDOWS, spans.shape[1])]
        if not len(truth):
            continue
        centred = torch.stack([truth.mean(-1), truth[:, 1] - truth[:, 0]], -1)
        distance = torch.cdist(spans[row], centred, p=1)
        overlap = generalised_iou(_ends(spans[row]).unsqueeze(1), truth)
        cost = config.span * distance - config.generalised_iou * overlap
        cost = cost - config.label * logits[row].softmax(-1)[:, :1]  # (K, W)
        choices = _choices(len(cost), len(truth)).to(cost.device)  # (choices, W)
        best = choices[cost[choices, torch.arange(len(truth), device=cost.device)].sum(-1).argmin()]
        rows += [row] * len(truth)
        moments.append(best)
        matched.append(centred)
    if not rows:
        none = spans.new_zeros(0, dtype=torch.long)
        return Matched(none, none, spans.new_zeros(0, 2))
    return Matched(torch.tensor(rows, device=spans.device), torch.cat(moments), torch.cat(matched))


def moment_losses(spans: Tensor, logits: Tensor, windows: list[Tensor], config: MRNetLossConfig) -> dict[str, Tensor]:
    """L1, generalised IoU and class of every layer (layers, B, K, 2), each weighted, summed over the layers."""
    terms = {"span": spans.sum() * 0, "giou": spans.sum() * 0, "label": logits.sum() * 0}
    weight = logits.new_tensor([1.0, config.background], dtype=torch.float32)
    for span, logit in zip(spans.float(), logits.float(), strict=True):
        matched = match(span, logit, windows, config)
        target = torch.ones(logit.shape[:2], dtype=torch.long, device=logit.device)  # 1: no moment
        target[matched.rows, matched.moments] = 0
        terms["label"] = terms["label"] + config.label * F.cross_entropy(logit.flatten(0, 1), target.flatten(), weight)
        if len(matched.rows):
            chosen = span[matched.rows, matched.moments]
            overlap = generalised_iou(_ends(chosen), _ends(matched.spans))
            terms["span"] = terms["span"] + config.span * F.l1_loss(chosen, matched.spans)
            terms["giou"] = terms["giou"] + config.generalised_iou * (1 - overlap).mean()
    return terms


def generalised_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU less the share of the hull that neither covers (Rezatofighi et al., 2019); intervals (..., 2), broadcast."""
    overlap = aligned_iou(first, second)
    hull = torch.maximum(first[..., 1], second[..., 1]) - torch.minimum(first[..., 0], second[..., 0])
    covered = (first[..., 1] - first[..., 0]) + (second[..., 1] - second[..., 0])
    shared = torch.minimum(first[..., 1], second[..., 1]) - torch.maximum(first[..., 0], second[..., 0])
    return overlap - (hull - covered + shared.clamp(min=0)) / hull.clamp(min=1e-6)


def _ends(spans: Tensor) -> Tensor:
    return torch.stack(start_end(spans[..., 0], spans[..., 1]), -1)
