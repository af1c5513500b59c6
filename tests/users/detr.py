"""A grounding model of a user's own, in one file outside the package: learned queries matched to moments as a set.

After DETR (Carion et al., 2020) and Moment-DETR (Lei et al., 2021), in miniature. `SpikingDetr` puts one LIF layer
between encoder and decoder.

    python -m snnvtg train --model detr.py:Detr
    python -m snnvtg timestep-sweep --model detr.py:SpikingDetr

B samples, L clips, N tokens, M = L + N, Q learned queries, d width.
"""

from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.models import GroundingModel, SpikeLayer
from snnvtg.neurons import LIF, LIFParameters
from snnvtg.records import Batch, Prediction


@dataclass(frozen=True)
class DetrConfig:
    width: int = 16
    num_heads: int = 2
    num_queries: int = 4
    """Q: how many moments an answer has"""
    costs: tuple[float, ...] = (1.0, 5.0, 1.0)
    """weights of class, L1 and overlap, in the matching and in the loss"""
    no_object: float | None = 0.1
    """weight of a query that is matched to nothing; none: as much as the others"""

    def __post_init__(self):
        if len(self.costs) != 3:
            raise InputError(f"costs: expected three weights, got {len(self.costs)}")


@dataclass(frozen=True)
class SpikingDetrConfig(DetrConfig):
    num_timesteps: int = 2
    lif: LIFParameters = field(default_factory=LIFParameters)


@dataclass(frozen=True)
class DetrOutput:
    logits: Tensor
    """(B, Q): that the query holds a moment"""
    spans: Tensor
    """(B, Q, 2): start and end in 0…1"""
    saliency: Tensor
    """(B, L)"""


class Detr(GroundingModel):
    """Encoder over clips and words together, decoder of learned queries."""

    config_class = DetrConfig

    def __init__(self, config: DetrConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        d, heads = config.width, config.num_heads
        self.clips, self.words = nn.Linear(video_width, d), nn.Linear(text_width, d)
        self.encoder = nn.TransformerEncoderLayer(d, heads, 2 * d, dropout=0.0, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(d, heads, 2 * d, dropout=0.0, batch_first=True)
        self.queries = nn.Parameter(torch.randn(config.num_queries, d))
        self.heads, self.saliency = nn.Linear(d, 3), nn.Linear(d, 1)

    def forward(self, batch: Batch) -> DetrOutput:
        inputs = torch.cat([self.clips(batch.video), self.words(batch.text)], 1)  # (B, M, d)
        padding = ~torch.cat([batch.video_mask, batch.text_mask], 1)  # (B, M), True is padding for torch
        memory = self.between(self.encoder(inputs, src_key_padding_mask=padding))
        queries = self.queries.expand(len(batch), -1, -1)  # (B, Q, d)
        found = self.heads(self.decoder(queries, memory, memory_key_padding_mask=padding))  # (B, Q, 3)
        centre, half = found[..., 1].sigmoid(), found[..., 2].sigmoid() / 2
        spans = torch.stack([centre - half, centre + half], -1).clamp(0, 1)
        return DetrOutput(found[..., 0], spans, self.saliency(memory[:, : batch.video.shape[1]]).squeeze(-1))

    def between(self, memory: Tensor) -> Tensor:
        """What happens to the memory (B, M, d) on its way to the decoder: nothing here."""
        return memory

    def losses(self, output: DetrOutput, batch: Batch) -> dict[str, Tensor]:
        cls, l1, overlap = self.config.costs
        wanted = torch.zeros_like(output.logits)
        distances, overlaps = [], []
        for row, query in enumerate(batch.queries):
            truth, spans = torch.tensor(query.relevant_windows).to(output.spans) / query.duration, output.spans[row]
            away, shared = torch.cdist(truth, spans, p=1), iou(truth[:, None], spans[None])  # (K, Q)
            cost = l1 * away - overlap * shared - cls * output.logits[row].sigmoid()
            chosen = matched(cost.detach().tolist())
            wanted[row, chosen] = 1.0
            distances.append(away[range(len(chosen)), chosen].mean())
            overlaps.append(1 - shared[range(len(chosen)), chosen].mean())
        empty = 1.0 if self.config.no_object is None else self.config.no_object
        weight = torch.where(wanted.bool(), 1.0, empty)
        clips, cross_entropy = batch.video_mask, nn.functional.binary_cross_entropy_with_logits
        return {
            "class": cls * cross_entropy(output.logits, wanted, weight),
            "l1": l1 * torch.stack(distances).mean(),
            "overlap": overlap * torch.stack(overlaps).mean(),
            "saliency": cross_entropy(output.saliency[clips], batch.foreground[clips].float()),
        }

    def predict(self, output: DetrOutput, batch: Batch) -> list[Prediction]:
        found = []
        for row, query in enumerate(batch.queries):
            windows, scores = output.spans[row] * query.duration, output.logits[row].sigmoid().unsqueeze(-1)
            ranked = sorted(map(tuple, torch.cat([windows, scores], -1).tolist()), key=lambda window: -window[2])
            saliency = tuple(output.saliency[row, batch.video_mask[row]].tolist())
            found.append(Prediction(query.qid, query.query, query.vid, tuple(ranked), saliency))
        return found


class SpikingDetr(Detr):
    """The memory passes one LIF layer; the decoder reads what its spikes add up to."""

    config_class = SpikingDetrConfig

    def __init__(self, config: SpikingDetrConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.num_timesteps = config.num_timesteps
        self.lif, self.synapses = LIF(config.lif), nn.Linear(config.width, config.width)

    def between(self, memory: Tensor) -> Tensor:
        spikes = self.lif(memory, num_timesteps=self.num_timesteps)  # (T, B, M, d)
        return self.synapses(spikes).mean(0)

    def spike_layers(self) -> dict[str, Any]:
        return {"lif": SpikeLayer("memory")}


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Overlap over union of spans (..., 2)."""
    shared = (torch.minimum(a[..., 1], b[..., 1]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    return shared / ((a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared).clamp(min=1e-6)


def matched(cost: list[list[float]]) -> list[int]:
    """The column of each row in the cheapest matching of rows to distinct columns, all of them tried.

    With more than a few queries use scipy.optimize.linear_sum_assignment.
    """
    columns = permutations(range(len(cost[0])), len(cost))
    return list(min(columns, key=lambda chosen: sum(cost[row][column] for row, column in enumerate(chosen))))
