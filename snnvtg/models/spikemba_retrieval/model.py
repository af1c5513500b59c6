"""SpikeMba for partially relevant video retrieval. Not in its paper, which grounds a query in one given video.

SpikeMba's blocks read the query beside the video, so that every pair of the two is a pass of its own: thousands of them
for one query of an archive. Here the blocks read each video once, beside a learned word in the query's place, and the
query meets what came of it as a vector: the best clip by cosine, and one vector of the whole video, the mean of its
clips weighted by how much their neurons fire. The saliency proposals say which clips speak for the video.

Q queries · V videos of L clips · d width · T time steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.layers.positions import sinusoids
from snnvtg.layers.projection import LinearPath
from snnvtg.models.contract import Needs
from snnvtg.models.retrieval import PairScores, VideoVectors, best_moments, distinct_videos
from snnvtg.models.retrieval_losses import retrieval_losses
from snnvtg.models.shares import OF_VIDEOS
from snnvtg.models.spikemba import SpikeMba
from snnvtg.models.spikemba_retrieval.config import CONFIGS, TRAININGS, SpikeMbaRetrievalConfig
from snnvtg.records import Batch, Prediction

SILENT = 1e-3
"""weight of a clip whose neurons never fire: a video of silent clips is their mean"""


@dataclass(frozen=True)
class EncodedVideos:
    """V videos before any query is known."""

    clips: Tensor
    """(V, L, d)"""
    mask: Tensor
    """(V, L) bool"""
    whole: Tensor
    """(V, d)"""


@dataclass(frozen=True)
class EncodedBatch:
    """B queries and their V videos, before any meets another."""

    queries: Tensor
    """(B, d)"""
    videos: EncodedVideos = field(metadata=OF_VIDEOS)


@dataclass(frozen=True)
class RetrievalOutput:
    """B queries beside the V videos of their batch."""

    owner: Tensor
    """(B,) int64: which of the V videos is the query's own"""
    scores: PairScores

    def own(self, values: Tensor) -> Tensor:
        """values (B, V, ...) of each query's own video, (B, ...)."""
        return values[torch.arange(len(values), device=values.device), self.owner]


class SpikeMbaRetrieval(SpikeMba):
    """SpikeMba's projections, blocks and neurons, without its heads for windows."""

    config_class = SpikeMbaRetrievalConfig
    configs = CONFIGS
    trainings = TRAININGS
    ablations = ("spiking",)
    config: SpikeMbaRetrievalConfig

    def __init__(self, config: SpikeMbaRetrievalConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.foreground = self.boundary = self.saliency_gain = None
        self.unasked = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)  # the word in the query's place
        self.clip_path = self.word_path = None
        if config.linear_path:
            self.clip_path = LinearPath(video_width, config.width, config.input_dropout)
            self.word_path = LinearPath(text_width, config.width, config.input_dropout)
        self.epoch = 0

    @property
    def needs(self) -> Needs:
        """As GroundingModel."""
        return Needs(every_video=True, videos_together=True)

    def begin_epoch(self, epoch: int) -> None:
        """As GroundingModel: hard negatives begin at an epoch."""
        self.epoch = epoch

    def forward(self, batch: Batch) -> RetrievalOutput:
        """Every query of the batch beside every video of it, each video once."""
        first, owner = distinct_videos(batch)
        parts = self._encoded(batch, first)
        return RetrievalOutput(owner, self._scores(parts.queries, parts.videos))

    def forward_share(self, share: Batch) -> EncodedBatch:
        """As GroundingModel: vectors; every video is in one share, as `needs.videos_together` asks."""
        return self._encoded(share, distinct_videos(share)[0])

    def forward_joint(self, parts: EncodedBatch, batch: Batch) -> RetrievalOutput:
        """As GroundingModel: every query beside every video."""
        return RetrievalOutput(distinct_videos(batch)[1], self._scores(parts.queries, parts.videos))

    def _encoded(self, batch: Batch, first: Tensor) -> EncodedBatch:
        return EncodedBatch(self.encode_query(batch), self.encode_videos(batch.video[first], batch.video_mask[first]))

    def encode_videos(self, video: Tensor, valid_mask: Tensor) -> EncodedVideos:
        """video (V, L, in), valid_mask (V, L): the blocks, and what the last one's spikes make of the whole."""
        vis = self._placed(self.project_vis(video))
        word = self.unasked.expand(len(video), -1, -1)
        encoded, more = self.encode(vis, valid_mask, word, valid_mask.new_ones(len(video), 1))
        clips = self.norm(encoded)
        if self.clip_path is not None:
            clips = self.clip_path(self.project_vis.standardised(video), clips)
        weight = valid_mask.to(clips.dtype)  # (V, L)
        if more["spikes"]:
            weight = weight * (more["spikes"][-1].mean((0, -1)) + SILENT)
        whole = (weight.unsqueeze(-1) * clips).sum(1) / weight.sum(1, keepdim=True)
        return EncodedVideos(clips, valid_mask, whole)

    def encode_query(self, batch: Batch) -> Tensor:
        """The words as one vector (B, d)."""
        words = self._placed(self.project_tex(batch.text))
        if self.word_path is not None:
            words = self.word_path(self.project_tex.standardised(batch.text), words)
        return self.pool_query(words, batch.text_mask).squeeze(1)

    def _placed(self, x: Tensor) -> Tensor:
        return x + sinusoids(x.shape[1:], x) if self.config.position == "sinusoidal" else x

    @staticmethod
    def _scores(queries: Tensor, videos: EncodedVideos) -> PairScores:
        return PairScores.of_vectors(queries, videos.clips, videos.whole, videos.mask)

    def losses(self, output: RetrievalOutput, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE and triplets of clips and whole videos."""
        videos = torch.arange(output.scores.frame_dots.shape[1], device=output.owner.device)
        config = self.config.retrieval
        hardest = self.epoch >= config.hard_negatives_from
        return retrieval_losses(output.scores, output.owner.unsqueeze(1) == videos, config, hardest)

    def predict(self, output: RetrievalOutput, batch: Batch) -> list[Prediction]:
        """As GroundingModel: one window, the clips of the query's own video around its best one."""
        saliency = output.own(output.scores.clip_cosines)[:, : batch.video_mask.shape[1]]
        return best_moments(saliency, self.relevance(output, batch), batch)

    def relevance(self, output: RetrievalOutput, batch: Batch) -> Tensor:
        """As GroundingModel."""
        return output.own(output.scores.score(self.config.clip_weight))

    def index(self, videos: Batch) -> EncodedVideos:
        """As GroundingModel."""
        return self.encode_videos(videos.video, videos.video_mask)

    def search(self, queries: Batch, videos: EncodedVideos) -> Tensor:
        """As GroundingModel: products of vectors."""
        return self._scores(self.encode_query(queries), videos).score(self.config.clip_weight)

    def video_vectors(self, videos: Batch) -> VideoVectors:
        """As GroundingModel; `search` scores by the same."""
        encoded, share = self.index(videos), self.config.clip_weight
        clips, whole = F.normalize(encoded.clips, dim=-1), F.normalize(encoded.whole, dim=-1).unsqueeze(1)
        return VideoVectors(share * clips + (1 - share) * whole, encoded.mask)

    def query_vectors(self, queries: Batch) -> Tensor:
        """As GroundingModel."""
        return F.normalize(self.encode_query(queries), dim=-1)

    @classmethod
    def paper_settings(cls, benchmark: str) -> Mapping[str, Any]:
        """None: the paper retrieves nothing."""
        return {}
