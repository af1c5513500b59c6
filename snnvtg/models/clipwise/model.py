"""What every clip-wise grounding model has in common: input projections in front, dense heads behind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from snnvtg.data import DataSplits, GroundingDataset, feature_statistics
from snnvtg.data.features import ENDPOINTS
from snnvtg.data.statistics import mean_and_deviation
from snnvtg.errors import InputError
from snnvtg.layers.heads import ConvHead
from snnvtg.layers.pooling import AttentivePooling
from snnvtg.layers.positions import sinusoids
from snnvtg.layers.projection import InputProjection
from snnvtg.models.clipwise.alignment import RidgeAlignment
from snnvtg.models.clipwise.decoding import Decoding, predict_windows
from snnvtg.models.clipwise.linear import linear_predictions
from snnvtg.models.clipwise.losses import ClipwiseLossConfig, clipwise_losses
from snnvtg.models.clipwise.matching import MatchSpace, ProductFeatures
from snnvtg.models.clipwise.output import ClipwiseOutput
from snnvtg.models.contract import GroundingModel
from snnvtg.models.ranges import LARGEST, check_shares
from snnvtg.records import Batch, Prediction


@dataclass(frozen=True)
class ClipwiseConfig:
    """The common settings."""

    width: int = 256
    """d, the width of the model"""
    num_blocks: int = 6
    num_heads: int = 8
    standardise: bool = True
    """each input dimension at mean 0 and variance 1 over the training set; False: as the features are"""
    centre_videos: bool = False
    """subtract from each clip its video's mean: what all clips share cannot tell them apart and is only memorised"""
    position: Literal["sinusoidal", "none"] = "sinusoidal"
    dropout: float = 0.1
    input_dropout: float = 0.3
    head_kernel: int = 3
    foreground_reads_saliency: bool = True
    """add a learned multiple of s_i to the foreground logit; without it the head finds events, not the one asked for"""
    time_endpoints: bool = True
    """whether the model sees the last two features of a clip, where in the video it starts and ends"""
    alignment: Literal["none", "ridge", "match"] = "none"
    """how words meet clips outside the blocks; neither is in the paper. ridge: the foreground logit reads what a linear
    map from words to clips, fitted in closed form to the training set, says of the clip (`clipwise.alignment`).
    match: s_i is the cosine in a trained linear space of words and clips, which L_e reads (`clipwise.matching`)"""
    match_width: int = 64
    match_dropout: float = 0.4
    match_words: Literal["mean", "weighted"] = "mean"
    """how the words of a query become one vector; weighted: by a learned score of each"""
    match_neighbours: int = 1
    """clips around a clip, itself among them, whose mean is matched with the query"""
    match_features: Literal["none", "normed", "product"] = "none"
    """whether the blocks are given the products of clip and query in the match space, see `ProductFeatures`"""
    alignment_ridge: float = 1000.0
    """how strongly that map is held to zero, as ridge regression's λ; the more queries there are, the less it holds"""
    decoding: Decoding = "clip"
    """how windows are read off the heads, see `predict_windows`"""
    nms_threshold: float = 0.7
    """IoU above which a window is suppressed by a better one; 1 suppresses none"""
    loss: ClipwiseLossConfig = field(default_factory=ClipwiseLossConfig)

    def __post_init__(self):
        self.at_least(1, "width", "num_blocks", "num_heads", "head_kernel", "match_width", "match_neighbours")
        if self.match_features != "none" and self.alignment != "match":
            raise InputError(f"match_features: {self.match_features} needs alignment=match, got {self.alignment}")
        if self.num_blocks > 1000:
            raise InputError(f"num_blocks: expected at most 1000, got {self.num_blocks}")
        for name in ("head_kernel", "match_neighbours"):
            if getattr(self, name) % 2 == 0:
                raise InputError(f"{name}: expected an odd number of clips, got {getattr(self, name)}")
        if self.width % self.num_heads:
            raise InputError(f"num_heads: expected a divisor of width {self.width}, got {self.num_heads}")
        if not 0 < self.alignment_ridge < math.inf:
            raise InputError(f"alignment_ridge: expected a finite number above 0, got {self.alignment_ridge}")
        if not 0 < self.nms_threshold <= 1:
            raise InputError(f"nms_threshold: expected an IoU in (0, 1], got {self.nms_threshold}")
        check_shares(self, "dropout", "input_dropout", "match_dropout")

    def at_least(self, low: int, *names: str) -> None:
        """Raise InputError where one of the fields is below `low`, or larger than any model."""
        for name in names:
            if getattr(self, name) < low:
                raise InputError(f"{name}: expected at least {low}, got {getattr(self, name)}")
            if getattr(self, name) > LARGEST:
                raise InputError(f"{name}: expected at most {LARGEST}, got {getattr(self, name)}")


class ClipwiseModel(GroundingModel):
    """Projects both inputs, leaves the middle to `encode`, and reads windows and saliency off its clips."""

    config: ClipwiseConfig
    output_class: ClassVar[type[ClipwiseOutput]] = ClipwiseOutput

    def __init__(self, config: ClipwiseConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.project_vis = InputProjection(video_width, config.width, config.input_dropout)
        self.project_tex = InputProjection(text_width, config.width, config.input_dropout)
        self.norm = nn.LayerNorm(config.width)
        self.pool_query = AttentivePooling(config.width) if self.pools_words(config) else None
        self.foreground = ConvHead(config.width, 1, config.head_kernel, config.dropout)
        self.saliency_gain = nn.Parameter(torch.tensor(5.0)) if config.foreground_reads_saliency else None
        self.alignment = self.alignment_gain = None
        if config.alignment == "ridge":
            self.alignment = RidgeAlignment(video_width, text_width, config.alignment_ridge)
            self.alignment_gain = nn.Parameter(torch.tensor(1.0))
        self.match = self.product = None
        if config.alignment == "match":
            self.match = MatchSpace(
                video_width,
                text_width,
                config.match_width,
                config.match_dropout,
                config.match_neighbours,
                config.match_words == "weighted",
            )
        if config.match_features != "none":
            self.product = ProductFeatures(config.match_width, config.width, config.match_features == "normed")
        self.boundary = ConvHead(config.width, 2, config.head_kernel, config.dropout)
        # a boundary starts at four clips, a foreground at one clip in five: the usual order of both
        nn.init.constant_(self.boundary.second.bias, 4.0)
        nn.init.constant_(self.foreground.second.bias, -math.log(4.0))

    @staticmethod
    def pools_words(config: ClipwiseConfig) -> bool:
        """Whether anything reads the words as one vector of the model's width: s_i does, outside a match space."""
        return config.alignment != "match"

    def encode(self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """vis (B, L, d), tex (B, N, d), masks -> clips that know the query (B, L, d), further fields of the output."""
        raise NotImplementedError

    def encode_matched(
        self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor, saliency: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """As `encode`, told s_i (B, L) of the match space; only called where there is one."""
        return self.encode(vis, vis_mask, tex, tex_mask)

    def windows_from(self, clips: Tensor, more: Mapping[str, Any]) -> Tensor:
        """What the boundaries are read from, (B, L, d): the normed clips; `more` as `encode` gives it."""
        return clips

    def fit(self, train: GroundingDataset) -> None:
        """Standardise the inputs by the training set, each dimension on its own, and fit the linear alignment."""
        if self.config.standardise:
            self.project_vis.fit(*feature_statistics(train, centred=self.config.centre_videos))
            self.project_tex.fit(*(torch.from_numpy(found).float() for found in mean_and_deviation(train.texts)))
        if self.alignment is not None:
            self.alignment.fit(train)

    def forward(self, batch: Batch) -> ClipwiseOutput:
        """Dense output for every clip of `batch`; rows under padding are meaningless."""
        video = centred(batch.video, batch.video_mask) if self.config.centre_videos else batch.video
        if not self.config.time_endpoints:
            video = torch.cat([video[..., :-ENDPOINTS], torch.zeros_like(video[..., -ENDPOINTS:])], -1)
        vis, tex = self.project_vis(video), self.project_tex(batch.text)
        if self.config.position == "sinusoidal":
            vis, tex = vis + sinusoids(vis.shape[1:], vis), tex + sinusoids(tex.shape[1:], tex)
        words = None if self.pool_query is None else self.pool_query(tex, batch.text_mask).squeeze(1)
        if self.match is not None:
            clips, words_in = self.project_vis.standardised(video), self.project_tex.standardised(batch.text)
            matched = self.match(clips, batch.video_mask, words_in, batch.text_mask)  # A x (B, L, m), B q (B, m)
            if self.product is not None:
                vis = vis + self.product(*matched)
        if self.match is None:
            encoded, more = self.encode(vis, batch.video_mask, tex, batch.text_mask)
            compared, query = self.norm(encoded), words
            saliency = nn.functional.cosine_similarity(compared, query.unsqueeze(1), dim=-1)
        else:
            compared, query = matched
            saliency = nn.functional.cosine_similarity(compared, query.unsqueeze(1), dim=-1)
            encoded, more = self.encode_matched(vis, batch.video_mask, tex, batch.text_mask, saliency)
        clips = self.norm(encoded)
        foreground = self.foreground(clips, batch.video_mask).squeeze(-1)
        if self.saliency_gain is not None:
            foreground = foreground + self.saliency_gain * saliency
        if self.alignment is not None:
            foreground = foreground + self.alignment_gain * self.alignment(batch)
        return self.output_class(
            foreground_logits=foreground,
            boundaries=nn.functional.softplus(self.boundary(self.windows_from(clips, more), batch.video_mask)),
            saliency=saliency,
            clips=compared,
            query=query,
            words=words,
            **more,
        )

    def losses(self, output: ClipwiseOutput, batch: Batch) -> dict[str, Tensor]:
        """As GroundingModel: the losses of the dense heads."""
        return clipwise_losses(output, batch, self.config.loss)

    def predict(self, output: ClipwiseOutput, batch: Batch) -> list[Prediction]:
        """As GroundingModel."""
        return predict_windows(output, batch, self.config.decoding, nms_threshold=self.config.nms_threshold)

    def relevance(self, output: ClipwiseOutput, batch: Batch) -> Tensor:
        """As GroundingModel: the highest foreground logit of any clip."""
        return output.foreground_logits.masked_fill(~batch.video_mask, -torch.inf).amax(1)

    @classmethod
    def baselines(
        cls, config: ClipwiseConfig, data: DataSplits, split: GroundingDataset
    ) -> dict[str, list[Prediction]]:
        """`linear`: the closed-form alignment of words and clips alone, where the model has one, fitted or trained."""
        if config.alignment == "none":
            return {}
        return {"linear": linear_predictions(data, split, config.alignment_ridge)}


def centred(x: Tensor, valid_mask: Tensor) -> Tensor:
    """x (B, M, C) minus its mean over the valid positions."""
    keep = valid_mask.unsqueeze(-1).to(x.dtype)
    return x - (x * keep).sum(1, keepdim=True) / keep.sum(1, keepdim=True)
