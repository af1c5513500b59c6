"""A linear alignment of words and clips, fitted in closed form instead of trained.

Two thousand queries are few for a network that has to learn from scratch which words go with which clips: it
memorises its videos. Ridge regression from a query to the mean clip of its moment has one setting and no
training, generalises from the same queries, and makes other mistakes than the network does.
"""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from snnvtg.data import GroundingDataset
from snnvtg.data.statistics import mean_and_deviation
from snnvtg.data.targets import clip_targets
from snnvtg.errors import InputError
from snnvtg.records import Batch

FOLDS = 5


class RidgeAlignment(nn.Module):
    """r_i = cos(x_i, q W + b), brought to mean 0 and variance 1 over the clips of each video.

    x_i: clip i less its video's mean, each dimension over its standard deviation; q: the mean of the standardised
    words. W and b solve min Σ‖q W + b − m‖² + ridge ‖W‖² with m the mean x of the query's moment. They are fitted
    once, before training, and fixed.

    On the queries it was fitted on the map is too accurate: a network trained on top would trust it too much.
    In training, a query is therefore read by a map fitted without its video and a fifth of the others (cross-fitting).
    """

    def __init__(self, video_width: int, text_width: int, ridge: float):
        super().__init__()
        self.ridge = ridge
        self.register_buffer("video_scale", torch.ones(video_width))
        self.register_buffer("text_mean", torch.zeros(text_width))
        self.register_buffer("text_scale", torch.ones(text_width))
        self.weight = nn.Parameter(torch.zeros(text_width, video_width), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(video_width), requires_grad=False)
        # the folds' maps serve training alone and are fitted anew where it resumes
        self.register_buffer("fold_weight", None, persistent=False)
        self.register_buffer("fold_bias", None, persistent=False)

    @torch.no_grad()
    def fit(self, dataset: GroundingDataset) -> None:
        """Fit the map, and one without each fold of videos, on a training split; InputError where it has no window.

        Queries without a window teach nothing and are left out.
        """
        answered = [index for index, query in enumerate(dataset.queries) if query.relevant_windows]
        if not answered:
            raise InputError("alignment=ridge: no training query has a window to fit to; set model.alignment=none")
        vids = [dataset.queries[index].vid for index in answered]
        self.video_scale.copy_(_inverse_deviation(_centred(dataset.videos[vid]) for vid in dict.fromkeys(vids)))
        mean = mean_and_deviation(dataset.texts)[0]
        self.text_mean.copy_(torch.from_numpy(mean))
        self.text_scale.copy_(_inverse_deviation(words - mean for words in dataset.texts))
        means = [torch.from_numpy(dataset.texts[index].mean(0, dtype=np.float64)) for index in answered]
        queries = (torch.stack(means) - self.text_mean) * self.text_scale
        targets = []
        for index in answered:
            query = dataset.queries[index]
            video = _centred(dataset.videos[query.vid])
            inside, _, _ = clip_targets(query, len(video), dataset.clip_length)
            targets.append(torch.from_numpy(video[inside].mean(0)) * self.video_scale)
        moments, folds = torch.stack(targets), _folds(vids)
        for parameter, value in zip((self.weight, self.bias), self._solve(queries, moments), strict=True):
            parameter.copy_(value)
        others = [self._solve(queries[folds != k], moments[folds != k]) for k in range(FOLDS)]
        self.fold_weight, self.fold_bias = (torch.stack(part).float() for part in zip(*others, strict=True))

    def _solve(self, queries: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
        """W (Dt, Dv) and b (Dv,) from queries (Q, Dt) and moments (Q, Dv), float64; zeros where there are none."""
        if not len(queries):
            return moments.new_zeros(queries.shape[1], moments.shape[1]), moments.new_zeros(moments.shape[1])
        query_mean, moment_mean = queries.mean(0), moments.mean(0)
        x = queries - query_mean
        gram = x.T @ x + self.ridge * torch.eye(x.shape[1], dtype=x.dtype)
        weight = torch.linalg.solve(gram, x.T @ (moments - moment_mean))
        return weight, moment_mean - query_mean @ weight

    def forward(self, batch: Batch) -> Tensor:
        """r (B, L); under padding 0."""
        keep = batch.video_mask.unsqueeze(-1).to(batch.video.dtype)
        count = keep.sum(1, keepdim=True)
        clips = (batch.video - (batch.video * keep).sum(1, keepdim=True) / count) * self.video_scale
        spoken = batch.text_mask.unsqueeze(-1).to(batch.text.dtype)
        query = ((batch.text - self.text_mean) * self.text_scale * spoken).sum(1) / spoken.sum(1)
        sought = self._sought(query, batch)
        cosine = nn.functional.cosine_similarity(clips, sought.unsqueeze(1), dim=-1).unsqueeze(-1)
        cosine = (cosine - (cosine * keep).sum(1, keepdim=True) / count) * keep
        deviation = ((cosine * cosine).sum(1, keepdim=True) / count).sqrt()
        return (cosine / deviation.clamp(min=1e-6)).squeeze(-1)

    def _sought(self, query: Tensor, batch: Batch) -> Tensor:
        """What each query (B, Dt) would look like as a clip (B, Dv)."""
        if not self.training or self.fold_weight is None:
            return query @ self.weight + self.bias
        fold = _folds([query.vid for query in batch.queries]).to(query.device)
        return torch.bmm(query.unsqueeze(1), self.fold_weight[fold]).squeeze(1) + self.fold_bias[fold]


def _centred(video: np.ndarray) -> np.ndarray:
    """A video (L, Dv) less its mean, float64."""
    return video - video.mean(0, dtype=np.float64)


def _inverse_deviation(parts: Iterable[np.ndarray]) -> Tensor:
    """1 / root mean square of each column of centred parts, float32; 0 for a column that never varies."""
    squares, count = 0.0, 0
    for part in parts:
        squares, count = squares + (part * part).sum(0), count + len(part)
    deviation = torch.from_numpy(np.sqrt(squares / count))
    return torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0).float()


def _folds(vids: Sequence[str]) -> Tensor:
    """The fold of every video, by its name alone, so that it is the same in every run and batch."""
    return torch.tensor([zlib.crc32(vid.encode()) % FOLDS for vid in vids])
