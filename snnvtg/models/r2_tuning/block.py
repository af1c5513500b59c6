"""The R² block: query-modulated spatial pooling and recurrent temporal refinement (Section 3.3 of R²-Tuning).

B samples · K layers · L frames (T in the paper, which is time steps here) · N tokens (L in the paper) · P patches ·
C width. Weights are shared by the K steps, the two gates of a step are its own.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnvtg.layers.attention import MultiHeadAttention
from snnvtg.layers.drop_path import DropPath
from snnvtg.layers.feed_forward import feed_forward
from snnvtg.layers.pooling import AttentivePooling
from snnvtg.layers.projection import FeatureDropout, normed_projection
from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.r2_tuning.spiking import SpikingFeedForward


class SpatialPooling(nn.Module):
    """Patches, pooled as the words of the query ask (Eq. 4 and 5); no projection of the values."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)  # w_q, w_v

    def forward(self, patches: Tensor, tokens: Tensor, text_mask: Tensor) -> Tensor:
        """patches (B, L, P, C), tokens (B, N, C), text_mask (B, N) -> e_token (B, L, C)."""
        logits = torch.einsum("bnc,blpc->blnp", self.query(tokens), self.key(patches)) / math.sqrt(tokens.shape[-1])
        pooled = logits.softmax(-1) @ patches + tokens.unsqueeze(1)  # (B, L, N, C)
        return pooled.masked_fill(~text_mask[:, None, :, None], -torch.inf).amax(2)


class Refinement(nn.Module):
    """Eq. 8: cross-attention to the query, self-attention, feed-forward network; normalised after each residual."""

    def __init__(self, config: R2TuningConfig):
        super().__init__()
        width, hidden = config.width, config.feed_forward * config.width
        self.cross, self.own = (MultiHeadAttention(width, config.num_heads) for _ in range(2))
        spiking = config.spiking in ("ffn", "both")
        self.ffn = SpikingFeedForward(width, hidden, config.lif) if spiking else feed_forward(width, hidden)
        self.norm_cross, self.norm_own, self.norm_ffn = (nn.LayerNorm(width) for _ in range(3))
        self.drop_path = DropPath(config.drop_path)

    def forward(
        self, hidden: Tensor, video_mask: Tensor, tokens: Tensor, text_mask: Tensor, num_timesteps: int | None
    ) -> Tensor:
        """hidden (B, L, C), tokens (B, N, C) with masks -> (B, L, C)."""
        hidden = self.norm_cross(hidden + self.drop_path(self.cross(hidden, tokens, text_mask)))
        hidden = self.norm_own(hidden + self.drop_path(self.own(hidden, hidden, video_mask)))
        spiking = isinstance(self.ffn, SpikingFeedForward)
        told = self.ffn(hidden, video_mask, num_timesteps) if spiking else self.ffn(hidden)
        return self.norm_ffn(hidden + self.drop_path(told))


@dataclass(frozen=True)
class Refined:
    """What the block gives: the last hidden state and, of every step, what calibration compares."""

    hidden: Tensor
    """h (B, L, C)"""
    frames: Tensor
    """the class tokens in the common space (B, K, L, C), the last layer first"""
    queries: Tensor
    """the pooled query in the common space (B, K, C), the last layer first"""


class R2Block(nn.Module):
    """K steps from the last layer of CLIP to earlier ones (Eq. 1)."""

    def __init__(self, config: R2TuningConfig, video_width: int, text_width: int):
        super().__init__()
        width = config.width
        drop = {"dropout": config.input_dropout, "kind": FeatureDropout if config.drop_features else nn.Dropout}
        self.map_video = normed_projection(video_width, width, width, activate_last=False, **drop)
        self.map_text = normed_projection(text_width, width, width, activate_last=False, **drop)
        self.pool = AttentivePooling(width, bias=False)
        self.spatial = self.spatial_gate = self.fusion_gate = None
        if not config.degenerate:
            self.spatial = SpatialPooling(width)
            self.spatial_gate = nn.Parameter(torch.zeros(config.num_layers))  # g^k before its tanh
            # φ^k before its sigmoid; none for the first step, where h is zero
            self.fusion_gate = nn.Parameter(torch.zeros(config.num_layers - 1))
        self.refine = Refinement(config)

    def forward(
        self, video: Tensor, video_mask: Tensor, text: Tensor, text_mask: Tensor, num_timesteps: int | None
    ) -> Refined:
        """video (B, L, K, 1 + P, Dv), the class token first, text (B, N, K, Dt), layers in CLIP's order."""
        hidden, frames, queries = None, [], []
        for step in range(video.shape[2]):
            layer = video.shape[2] - 1 - step
            places = self.map_video(video[:, :, layer].flatten(1, 2)).unflatten(1, (-1, video.shape[3]))  # Eq. 2
            tokens = self.map_text(text[:, :, layer])  # (B, N, C), Eq. 3
            frames.append(places[:, :, 0])
            queries.append(self.pool(tokens, text_mask).squeeze(1))
            seen = self._seen(step, places, tokens, text_mask)
            hidden = seen if hidden is None else self._fused(step, seen, hidden)
            hidden = self.refine(hidden, video_mask, tokens, text_mask, num_timesteps)
        return Refined(hidden, torch.stack(frames, 1), torch.stack(queries, 1))

    def _seen(self, step: int, places: Tensor, tokens: Tensor, text_mask: Tensor) -> Tensor:
        """e_pool (B, L, C) of Eq. 6; the class token alone where there are no patches."""
        if self.spatial is None or places.shape[2] == 1:
            return places[:, :, 0]
        return places[:, :, 0] + self.spatial_gate[step].tanh() * self.spatial(places[:, :, 1:], tokens, text_mask)

    def _fused(self, step: int, seen: Tensor, hidden: Tensor) -> Tensor:
        """Eq. 7."""
        share = self.fusion_gate[step - 1].sigmoid()
        return share * seen + (1 - share) * hidden
