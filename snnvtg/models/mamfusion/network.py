"""MamFusion: Multi-Mamba with temporal fusion for partially relevant video retrieval (Ying et al., ICASSP 2025).

Q queries of N words · V videos of L rows, averaged to M clips · d width · T time steps of the spiking form.
Words give Q (Section II-A), videos give clips V_c and one vector V_v of all frames (Section II-B); Eq. 3 and 4 fuse
words and clips of every pair. A video's score is 0.7 · its best clip's cosine + 0.3 · the frame vector's.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.data import GroundingDataset, feature_statistics
from snnvtg.data.statistics import mean_and_deviation
from snnvtg.layers.pooling import AttentivePooling
from snnvtg.layers.projection import InputProjection
from snnvtg.models.contract import GroundingModel, Needs
from snnvtg.models.mamfusion.branches import TextBranch, VideoBranch, segment_weights
from snnvtg.models.mamfusion.config import MamFusionConfig
from snnvtg.models.mamfusion.fusion import BatchFusion, PairFusion
from snnvtg.models.mamfusion.losses import mamfusion_losses
from snnvtg.models.mamfusion.output import EncodedBatch, EncodedVideos, MamFusionOutput
from snnvtg.models.mamfusion.presets import CONFIGS, PAPER, TRAININGS
from snnvtg.models.mamfusion.spiking import SpikingHead
from snnvtg.models.retrieval import PairScores, VideoVectors, best_moments, distinct_videos
from snnvtg.records import Batch, Prediction


class MamFusion(GroundingModel):
    """The whole model; `search` compares every query with every video by the fused vectors.

    It is trained on which video a query belongs to and never sees a window: `predict` answers with the clips around
    the one that matches best.
    """

    config_class = MamFusionConfig
    configs = CONFIGS
    trainings = TRAININGS
    ablations = ("table2", "spiking")
    config: MamFusionConfig

    def __init__(self, config: MamFusionConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.words = TextBranch(config, text_width)
        self.clips = VideoBranch(config, video_width, config.num_clips)
        self.frames = VideoBranch(config, video_width, config.max_frames)
        self.pool_query, self.pool_frames = AttentivePooling(config.width), AttentivePooling(config.width)
        self.fusion = PairFusion(config) if config.fusion == "paper" else None
        self.batch_fusion = BatchFusion(config) if config.fusion == "released" else None
        self.heads, self.num_timesteps = None, None if config.spiking == "none" else config.num_timesteps
        if config.spiking in ("heads", "both"):
            names = ("query", "clips", "frames")
            self.heads = nn.ModuleDict({name: SpikingHead(config.width, config.lif) for name in names})
        self.epoch = 0

    @property
    def needs(self) -> Needs:
        """As GroundingModel."""
        return Needs(every_video=True, videos_together=True)

    def begin_epoch(self, epoch: int) -> None:
        """As GroundingModel: hard negatives begin at an epoch."""
        self.epoch = epoch

    def fit(self, train: GroundingDataset) -> None:
        """Standardise the inputs by the training set, where the projection asks for it."""
        if self.config.projection != "standardised":
            return
        text = tuple(torch.from_numpy(found).float() for found in mean_and_deviation(train.texts))
        video = feature_statistics(train)
        for branch, statistics in ((self.words, text), (self.clips, video), (self.frames, video)):
            assert isinstance(branch.rows.project, InputProjection)
            branch.rows.project.fit(*statistics)

    def forward(self, batch: Batch) -> MamFusionOutput:
        """Every query of the batch beside every video of it, each video once."""
        first, owner = distinct_videos(batch)
        return self._compared(self._encoded(batch, first), owner)

    def forward_share(self, share: Batch) -> EncodedBatch:
        """As GroundingModel: the branches; every video is in one share, as `needs.videos_together` asks."""
        return self._encoded(share, distinct_videos(share)[0])

    def forward_joint(self, parts: EncodedBatch, batch: Batch) -> MamFusionOutput:
        """As GroundingModel: every query beside every video."""
        return self._compared(parts, distinct_videos(batch)[1])

    def _encoded(self, batch: Batch, first: Tensor) -> EncodedBatch:
        videos = self.encode_videos(batch.video[first], batch.video_mask[first])
        return EncodedBatch(*self.encode_words(batch), videos)

    def _compared(self, parts: EncodedBatch, owner: Tensor) -> MamFusionOutput:
        words, text_mask, videos = parts.words, parts.text_mask, parts.videos
        match, queries = self.match(words, text_mask, videos)
        unfused = None
        if self.fusion is not None:
            unfused = self.match_unfused(self.sentence(words, text_mask), videos)
            queries = queries[torch.arange(len(owner), device=owner.device), owner]
        elif self.batch_fusion is not None:
            queries = self.batch_fusion(queries, videos.frames)
        return MamFusionOutput(owner, match, unfused, queries)

    def encode_words(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Q (B, N, d) and its mask, of the first `max_tokens` words."""
        most = self.config.max_tokens
        mask = batch.text_mask[:, :most]
        return self.words(batch.text[:, :most], mask, self.num_timesteps), mask

    def sentence(self, words: Tensor, text_mask: Tensor) -> Tensor:
        """Eq. 1: (B, N, d) -> (B, d)."""
        return self.pool_query(words, text_mask).squeeze(1)

    def encode_videos(self, video: Tensor, valid_mask: Tensor) -> EncodedVideos:
        """video (V, L, in), valid_mask (V, L) -> both branches, the frames pooled by Eq. 2."""
        clips = segment_weights(valid_mask, self.config.num_clips).to(video.dtype) @ video
        encoded = self.clips(clips, valid_mask.new_ones(clips.shape[:2]), self.num_timesteps)
        if video.shape[1] > self.config.max_frames:
            shares = segment_weights(valid_mask, self.config.max_frames).to(video.dtype)
            fits = valid_mask.sum(1) <= self.config.max_frames  # a shorter video of the batch stays as it is
            rows = torch.where(fits[:, None, None], video[:, : self.config.max_frames], shares @ video)
            video, valid_mask = rows, valid_mask[:, : self.config.max_frames]
        frames = self.pool_frames(self.frames(video, valid_mask, self.num_timesteps), valid_mask).squeeze(1)
        return EncodedVideos(encoded, frames)

    def match(self, words: Tensor, text_mask: Tensor, videos: EncodedVideos) -> tuple[PairScores, Tensor]:
        """Every query beside every video as a search compares them, and the query vectors (Q, V, d) or (Q, d)."""
        if self.fusion is None:
            queries = self.sentence(words, text_mask)
            return self.match_unfused(queries, videos), queries
        fused_words, fused_clips = self.fusion(words, text_mask, videos.clips)
        size, masks = fused_words.shape[:2], text_mask.unsqueeze(1).expand(-1, len(videos.clips), -1)
        queries = self.sentence(fused_words.flatten(0, 1), masks.flatten(0, 1)).unflatten(0, size)
        compared = (("query", queries), ("clips", fused_clips), ("frames", videos.frames))
        return PairScores.of_pairs(*(self.as_compared(name, x) for name, x in compared)), queries

    def match_unfused(self, queries: Tensor, videos: EncodedVideos) -> PairScores:
        """queries (Q, d) beside every video, by what is known of each alone."""
        compared = (("query", queries), ("clips", videos.clips), ("frames", videos.frames))
        return PairScores.of_vectors(*(self.as_compared(name, x) for name, x in compared))

    def as_compared(self, name: str, x: Tensor) -> Tensor:
        """Vectors (..., d) of `query`, `clips` or `frames` through the spiking head of that name, if there is one."""
        return x if self.heads is None else self.heads[name](x, self.num_timesteps)

    def losses(self, output: MamFusionOutput, batch: Batch) -> dict[str, Tensor]:
        """As GroundingModel."""
        return mamfusion_losses(output, self.config.loss, self.epoch)

    def predict(self, output: MamFusionOutput, batch: Batch) -> list[Prediction]:
        """As GroundingModel: one window, the clips of the query's own video around its best one."""
        cosines, scores = output.own(output.match.clip_cosines), output.own(output.match.score(self.config.clip_weight))
        shares = segment_weights(batch.video_mask, self.config.num_clips).to(cosines.dtype)  # (B, M, L)
        saliency = (cosines.unsqueeze(1) @ shares).squeeze(1) / shares.sum(1).clamp(min=1e-8)  # under padding: 0
        return best_moments(saliency, scores, batch)

    def relevance(self, output: MamFusionOutput, batch: Batch) -> Tensor:
        """As GroundingModel."""
        return output.own(output.match.score(self.config.clip_weight))

    def index(self, videos: Batch) -> EncodedVideos:
        """As GroundingModel: both branches."""
        return self.encode_videos(videos.video, videos.video_mask)

    def search(self, queries: Batch, videos: EncodedVideos) -> Tensor:
        """As GroundingModel: the fused score of every pair."""
        match, _ = self.match(*self.encode_words(queries), videos)
        return match.score(self.config.clip_weight)

    def video_vectors(self, videos: Batch) -> VideoVectors:
        """As GroundingModel: what the branches give, before fusion."""
        encoded = self.index(videos)
        clips, frames = self.as_compared("clips", encoded.clips), self.as_compared("frames", encoded.frames)
        share = self.config.clip_weight
        segments = share * F.normalize(clips, dim=-1) + (1 - share) * F.normalize(frames, dim=-1).unsqueeze(1)
        return VideoVectors(segments, clips.new_ones(clips.shape[:2], dtype=torch.bool))

    def query_vectors(self, queries: Batch) -> Tensor:
        """As GroundingModel: the sentence before fusion."""
        return F.normalize(self.as_compared("query", self.sentence(*self.encode_words(queries))), dim=-1)

    @classmethod
    def paper_settings(cls, benchmark: str) -> Mapping[str, Any]:
        """As GroundingModel, from the released configurations."""
        return PAPER.get(benchmark, {})
