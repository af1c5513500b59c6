"""Plain features brought to one scale by the training set."""

import numpy as np
import torch
from torch import Tensor, nn

from snnvtg.data import GroundingDataset
from snnvtg.data.statistics import mean_and_deviation

ENDPOINTS = 2
"""features of a clip of plain data that say where in the video it is: the last two"""


class Scaling(nn.Module):
    """Each feature less its mean and over its deviation, of the training set; fixed, and kept with the weights.

    Where videos are centred, each less its own mean, their features have no other mean to take away.
    """

    def __init__(self, video_width: int, text_width: int, centred: bool):
        super().__init__()
        self.centred = centred
        for name, width in (("video", video_width), ("text", text_width)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))

    @torch.no_grad()
    def fit(self, train: GroundingDataset) -> None:
        """Mean and deviation of the clips of the split's videos, each once, and of the words of its queries."""
        videos = (train.videos[vid][:, :-ENDPOINTS] for vid in dict.fromkeys(q.vid for q in train.queries))
        clips = (video - video.mean(0) if self.centred else video for video in videos)
        for name, parts in (("video", clips), ("text", train.texts)):
            mean, deviation = mean_and_deviation(parts)
            getattr(self, f"{name}_mean").copy_(torch.from_numpy(mean))
            scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0)
            getattr(self, f"{name}_scale").copy_(torch.from_numpy(scale))

    def forward(self, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """video (..., Dv) without time endpoints, text (..., Dt) -> the same shapes."""
        return (video - self.video_mean) * self.video_scale, (text - self.text_mean) * self.text_scale
