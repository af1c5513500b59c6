"""R²-Tuning: reversed recurrent tuning of CLIP for video temporal grounding (Liu et al., ECCV 2024).

The last K layers of a frozen CLIP, class tokens and patches, refined from the last layer to earlier ones (`block`), a
pyramid over the result (`pyramid`) and three heads: moments (foreground and boundaries of every point), highlights (the
cosine of clip and query) and summaries (the foreground of every clip). No code was taken over; where paper and released
code differ, the settings have both.

What the paper leaves open: the pyramid's levels share no convolution and a level's distances have a learned factor,
which is what 2,836,242 parameters for QVHighlights come to; no position is added to clips but the time endpoints.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.data import GroundingDataset
from snnvtg.layers.heads import ConvHead
from snnvtg.models.contract import GroundingModel, Needs, SpikeLayer
from snnvtg.models.r2_tuning.block import R2Block, Refined
from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.r2_tuning.decoding import predictions
from snnvtg.models.r2_tuning.losses import r2_losses
from snnvtg.models.r2_tuning.output import R2Output
from snnvtg.models.r2_tuning.presets import CONFIGS, PAPER, TRAININGS
from snnvtg.models.r2_tuning.pyramid import Pyramid, pyramid_points
from snnvtg.models.r2_tuning.scaling import ENDPOINTS, Scaling
from snnvtg.models.r2_tuning.spiking import SpikingConvHead
from snnvtg.records import Batch, Prediction

DEGENERATE = (
    "R²-Tuning with num_layers=1: the degenerate form on final-layer features (class token only: no patches, no "
    "spatial pooling, one refinement step, no layer-wise calibration); for K layers: extract_features.py --layers K"
)


class R2Tuning(GroundingModel):
    """The block, the pyramid, the heads."""

    config_class = R2TuningConfig
    configs = CONFIGS
    trainings = TRAININGS
    ablations = ("spiking",)
    config: R2TuningConfig

    def __init__(self, config: R2TuningConfig, video_width: int, text_width: int):
        """`video_width`: with K > 1 that of a place of a frame; with K = 1 two time endpoints are its last features."""
        super().__init__(config, video_width, text_width)
        self.num_timesteps = None if config.spiking == "none" else config.num_timesteps
        features = video_width - ENDPOINTS if config.degenerate else video_width
        self.scaling = Scaling(features, text_width, config.centre_videos) if config.standardise else None
        self.block = R2Block(config, features + ENDPOINTS * config.time_endpoints, text_width)
        self.pyramid = Pyramid(config.width, len(config.strides))
        self.foreground, self.boundary = self._head(1), self._head(2)
        self.reach = nn.Parameter(torch.ones(len(config.strides)))
        self.saliency_gain = nn.Parameter(torch.tensor(5.0)) if config.foreground_reads_saliency else None

    @property
    def needs(self) -> Needs:
        """As GroundingModel: K layers."""
        return Needs(num_layers=self.config.num_layers)

    @property
    def form(self) -> str:
        """Which form of R²-Tuning this is, in words; the paper's, or what the degenerate one lacks."""
        return DEGENERATE if self.config.degenerate else f"R²-Tuning on {self.config.num_layers} layers"

    def fit(self, train: GroundingDataset) -> None:
        """As GroundingModel: the scale of the features, where it is asked for; the degenerate form says what it is."""
        if self.config.degenerate:
            warnings.warn(self.form, stacklevel=2)
        if self.scaling is not None:
            self.scaling.fit(train)

    def forward(self, batch: Batch) -> R2Output:
        """As GroundingModel."""
        video, text = self._inputs(batch)
        refined = self.block(video, batch.video_mask, text, batch.text_mask, self.num_timesteps)
        levels, mask = self.pyramid(refined.hidden, batch.video_mask)
        points = pyramid_points(batch.video.shape[1], self.config.strides, self.config.point_place, batch.video.device)
        clips, query = self._compared(refined)
        saliency = nn.functional.cosine_similarity(clips, query.unsqueeze(1), dim=-1)  # Eq. 14
        foreground = self._told(self.foreground, levels, mask).squeeze(-1)
        if self.saliency_gain is not None:
            gained = _over_levels(saliency, batch.video_mask, self.config.strides)
            foreground = foreground + self.saliency_gain * gained
        return R2Output(
            points=points,
            point_mask=mask,
            class_logits=foreground,
            distances=self._told(self.boundary, levels, mask).exp() * self.reach[points.level].unsqueeze(-1),
            saliency=saliency,
            clips=clips,
            query=query,
            frames=refined.frames,
            queries=refined.queries,
        )

    def losses(self, output: R2Output, batch: Batch) -> dict[str, Tensor]:
        """As GroundingModel: the sum of five losses."""
        return r2_losses(output, batch, self.config.loss, self.config.centre_radius)

    def predict(self, output: R2Output, batch: Batch) -> list[Prediction]:
        """As GroundingModel."""
        return predictions(output, batch, self.config)

    def relevance(self, output: R2Output, batch: Batch) -> Tensor:
        """As GroundingModel: the highest foreground logit of any point."""
        return output.class_logits.masked_fill(~output.point_mask, -torch.inf).amax(1)

    def spike_layers(self) -> Mapping[str, SpikeLayer]:
        """The hidden neurons of what spikes; clips are the first of a head's points."""
        layers = {}
        if self.config.spiking in ("ffn", "both"):
            layers["block.refine.ffn.lif"] = SpikeLayer("feed-forward network")
        if self.config.spiking in ("heads", "both"):
            layers["foreground.lif"] = SpikeLayer("foreground head")
            layers["boundary.lif"] = SpikeLayer("boundary head")
        return layers

    @classmethod
    def paper_settings(cls, benchmark: str) -> Mapping[str, Any]:
        """As GroundingModel: Table 8; a data set the paper has no experiment on keeps those of the preset."""
        return PAPER.get(benchmark, {})

    def _head(self, out: int) -> nn.Module:
        if self.config.spiking in ("heads", "both"):
            return SpikingConvHead(self.config.width, out, self.config.lif)
        return ConvHead(self.config.width, out, dropout=self.config.head_dropout)

    def _told(self, head: nn.Module, levels: Tensor, mask: Tensor) -> Tensor:
        if isinstance(head, SpikingConvHead):
            return head(levels, mask, self.num_timesteps)
        return head(levels, mask)

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """video (B, L, K, 1 + P, Dv) with its time endpoints and text (B, N, K, Dt) from plain or layered features."""
        video, text = batch.video, batch.text
        if self.config.degenerate:
            video, text = video[:, :, None, None, :-ENDPOINTS], text.unsqueeze(2)
        if self.config.centre_videos:
            keep = batch.video_mask[:, :, None, None, None].to(video.dtype)
            video = video - (video * keep).sum(1, keepdim=True) / keep.sum(1, keepdim=True)
        if self.scaling is not None:
            video, text = self.scaling(video, text)
        if self.config.time_endpoints:
            video = torch.cat([video, _endpoints(batch).expand(*video.shape[:-1], ENDPOINTS)], -1)
        return video, text

    def _compared(self, refined: Refined) -> tuple[Tensor, Tensor]:
        """The clips (B, L, C) and the query (B, C) whose cosine is the saliency."""
        if self.config.saliency_of == "hidden":
            return refined.hidden, refined.queries[:, -1]
        return refined.frames[:, 0], refined.queries[:, 0]


def _endpoints(batch: Batch) -> Tensor:
    """i/L and (i+1)/L of each clip (B, L, 1, 1, 2)."""
    place = torch.arange(batch.video.shape[1], device=batch.video.device, dtype=batch.video.dtype)
    ends = torch.stack([place, place + 1], -1) / batch.video_mask.sum(1)[:, None, None]
    return ends[:, :, None, None]


def _over_levels(values: Tensor, valid_mask: Tensor, strides: tuple[int, ...]) -> Tensor:
    """values (B, L) averaged over the valid clips of each of the pyramid's points (B, M)."""
    keep = valid_mask.to(values.dtype)
    rows = []
    for stride in strides:
        extra = -values.shape[1] % stride
        total, count = (
            nn.functional.pad(x, (0, extra)).unflatten(1, (-1, stride)).sum(2) for x in (values * keep, keep)
        )
        rows += [total / count.clamp(min=1), values.new_zeros(len(values), 1)]
    return torch.cat(rows[:-1], 1)
