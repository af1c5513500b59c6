"""Shapes of models to come, each as small as it can be, through the contract alone."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from snnvtg.data import GroundingDataset
from snnvtg.models import GroundingModel, Needs
from snnvtg.records import Batch, Prediction

cross_entropy = nn.functional.binary_cross_entropy_with_logits


@dataclass(frozen=True)
class WidthConfig:
    width: int = 8


class Projected(GroundingModel):
    """What the models here share: clips and words projected to one width, the words averaged."""

    config_class = WidthConfig

    def __init__(self, config: WidthConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.clips, self.words = nn.Linear(video_width, config.width), nn.Linear(text_width, config.width)

    def project(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Clips (B, L, d), zero under padding, and the query (B, d)."""
        clips, words = batch.video_mask.unsqueeze(-1), batch.text_mask.unsqueeze(-1)
        return self.clips(batch.video) * clips, (self.words(batch.text) * words).sum(1) / words.sum(1)


def answers(batch: Batch, windows: Tensor, scores: Tensor, saliency: Tensor) -> list[Prediction]:
    """windows (B, P, 2) in seconds, scores (B, P), minus infinity where there is no proposal, saliency (B, L)."""
    found = []
    for row, query in enumerate(batch.queries):
        order = [i for i in scores[row].argsort(descending=True).tolist() if torch.isfinite(scores[row, i])]
        ends = windows[row].clamp(0, query.duration).tolist()
        ranked = tuple((*ends[i], float(scores[row, i])) for i in order[:5])
        rated = tuple(saliency[row, batch.video_mask[row]].tolist())
        found.append(Prediction(query.qid, query.query, query.vid, ranked, rated))
    return found


class ProposalMap(Projected):
    """Every pair (start, end) of clips has a score: a 2-D map (B, L, L), read above its diagonal."""

    def __init__(self, config: WidthConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.conv = nn.Conv2d(config.width, 1, 3, padding=1)

    def forward(self, batch: Batch) -> Tensor:
        clips, query = self.project(batch)
        sums = torch.cat([torch.zeros_like(clips[:, :1]), clips.cumsum(1)], 1)  # (B, L + 1, d)
        length = torch.arange(1, clips.shape[1] + 1)
        lengths = (length - length.unsqueeze(1) + 1).clamp(min=1)  # (L, L), of the window from row to column
        means = (sums[:, None, 1:] - sums[:, :-1, None]) / lengths.unsqueeze(-1)  # (B, L, L, d)
        seen = means * query[:, None, None] * self.pairs(batch).unsqueeze(-1)
        return self.conv(seen.permute(0, 3, 1, 2)).squeeze(1)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        valid = self.pairs(batch)
        return {"map": cross_entropy(output[valid], self.overlap(batch)[valid])}

    def predict(self, output: Tensor, batch: Batch) -> list[Prediction]:
        scores = output.sigmoid().masked_fill(~self.pairs(batch), -torch.inf).flatten(1)
        first = torch.arange(output.shape[1])
        starts, ends = torch.meshgrid(first, first + 1, indexing="ij")
        windows = torch.stack([starts, ends], -1).flatten(0, 1) * batch.clip_length  # (L L, 2)
        return answers(batch, windows.expand(len(batch), -1, -1), scores, output.diagonal(dim1=1, dim2=2))

    @staticmethod
    def pairs(batch: Batch) -> Tensor:
        """(B, L, L): that start and end are real and in order."""
        return (batch.video_mask.unsqueeze(2) & batch.video_mask.unsqueeze(1)).triu()

    @staticmethod
    def overlap(batch: Batch) -> Tensor:
        """(B, L, L): overlap over union of each proposal with the query's best moment."""
        first = torch.arange(batch.video.shape[1]) * batch.clip_length
        start, end = first.unsqueeze(1), (first + batch.clip_length).unsqueeze(0)
        found = torch.zeros(len(batch), len(first), len(first))
        for row, query in enumerate(batch.queries):
            for a, b in query.relevant_windows:
                shared = (end.clamp(max=b) - start.clamp(min=a)).clamp(min=0)
                union = (end - start).clamp(min=0) + (b - a) - shared
                found[row] = torch.maximum(found[row], shared / union)
        return found


@dataclass(frozen=True)
class PyramidConfig(WidthConfig):
    strides: tuple[int, ...] = (1, 2, 4)


class Pyramid(Projected):
    """Points of several strides, each regressing distances in units of its stride."""

    config_class = PyramidConfig

    def __init__(self, config: PyramidConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        down = [nn.Conv1d(config.width, config.width, s // r, s // r, bias=False) for r, s in pairwise(config.strides)]
        self.down, self.head = nn.ModuleList(down), nn.Linear(config.width, 3)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Points (P, 2) with centre and stride in clips, which are real (B, P), and what they say (B, P, 3)."""
        clips, query = self.project(batch)
        levels = [(clips * query.unsqueeze(1)).transpose(1, 2)]  # (B, d, L)
        for conv in self.down:
            levels.append(conv(nn.functional.pad(levels[-1], (0, levels[-1].shape[-1] % conv.stride[0]))))
        strides = torch.cat([torch.full((v.shape[-1],), s) for v, s in zip(levels, self.config.strides, strict=True)])
        index = torch.cat([torch.arange(level.shape[-1]) for level in levels])
        points = torch.stack([(index + 0.5) * strides, strides], -1)
        real = points[:, 0] < batch.video_mask.sum(1, keepdim=True)
        return points, real, self.head(torch.cat(levels, -1).transpose(1, 2))

    def losses(self, output: tuple[Tensor, Tensor, Tensor], batch: Batch) -> dict[str, Tensor]:
        points, real, said = output
        truth = torch.tensor([query.relevant_windows[0] for query in batch.queries]) / batch.clip_length
        centre, stride = points.unbind(-1)
        away = torch.stack([centre - truth[:, :1], truth[:, 1:] - centre], -1) / stride.unsqueeze(-1)  # (B, P, 2)
        inside = (away > 0).all(-1) & real
        regression = nn.functional.l1_loss(said[..., 1:].exp()[inside], away[inside])
        return {"class": cross_entropy(said[..., 0][real], inside[real].float()), "regression": 0.1 * regression}

    def predict(self, output: tuple[Tensor, Tensor, Tensor], batch: Batch) -> list[Prediction]:
        points, real, said = output
        centre, stride = points.unbind(-1)
        back, on = (said[..., 1:].exp() * stride.unsqueeze(-1)).unbind(-1)
        windows = torch.stack([centre - back, centre + on], -1) * batch.clip_length
        scores = said[..., 0].sigmoid().masked_fill(~real, -torch.inf)
        return answers(batch, windows, scores, said[:, : batch.video.shape[1], 0])


@dataclass(frozen=True)
class LayersConfig(WidthConfig):
    num_layers: int = 3


class Layers(GroundingModel):
    """Reads K feature layers of the backbone, with patches: attention of words over patches, layers gated and added."""

    config_class = LayersConfig

    def __init__(self, config: LayersConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.patches, self.words = nn.Linear(video_width, config.width), nn.Linear(text_width, config.width)
        self.gates, self.head = nn.Parameter(torch.ones(config.num_layers)), nn.Linear(config.width, 3)
        self.register_buffer("mean", torch.zeros(config.num_layers, video_width))

    @property
    def needs(self) -> Needs:
        return Needs(num_layers=self.config.num_layers)

    def fit(self, train: GroundingDataset) -> None:
        self.mean.copy_(torch.from_numpy(np.concatenate([*train.videos.values()]).mean((0, 2))))

    def forward(self, batch: Batch) -> Tensor:
        video = self.patches(batch.video - self.mean.unsqueeze(1))  # (B, L, K, P, d)
        text = self.words(batch.text)  # (B, N, K, d)
        logits = torch.einsum("blkpd,bnkd->blknp", video, text)
        seen = torch.einsum("blknp,blkpd->blknd", logits.softmax(-1), video)
        seen = seen.masked_fill(~batch.text_mask[:, None, None, :, None], -torch.inf).amax(3)  # (B, L, K, d)
        return self.head((seen * self.gates.unsqueeze(-1)).sum(2))  # (B, L, 3)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        inside = batch.foreground
        regression = nn.functional.l1_loss(output[..., 1:].exp()[inside], batch.boundaries[inside])
        return {"class": cross_entropy(output[..., 0][batch.video_mask], inside[batch.video_mask].float()),
                "regression": 0.1 * regression}  # fmt: skip

    def predict(self, output: Tensor, batch: Batch) -> list[Prediction]:
        centre = torch.arange(output.shape[1]) + 0.5
        back, on = output[..., 1:].exp().unbind(-1)
        windows = torch.stack([centre - back, centre + on], -1) * batch.clip_length
        scores = output[..., 0].sigmoid().masked_fill(~batch.video_mask, -torch.inf)
        return answers(batch, windows, scores, output[..., 0])
