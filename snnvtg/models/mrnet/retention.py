"""Maskable retention over one sequence of queries and clips: Eq. 1 to 9.

B samples · M queries · T clips · S = M + T positions, queries first · H heads · d width · N of the paper: blocks.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from snnvtg.layers.attention import masked_softmax, merge_heads, split_heads
from snnvtg.layers.feed_forward import feed_forward
from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.spiking import SpikingFeedForward

XPOS_SCALE = 512.0
"""positions over which xPos decays by its smallest factor"""


def xpos(x: Tensor, *, inverse: bool) -> Tensor:
    """x (..., M, C) · Θ, xPos (Sun et al., 2022): pairs of channels rotated by iθ and scaled by ζ^(i / 512).

    `inverse` is the form of the keys, scaled by ζ^(−i / 512): the product of query n and key m depends on n − m alone.
    """
    length, width = x.shape[-2:]
    place = torch.arange(length, device=x.device, dtype=torch.float32).unsqueeze(1)
    pair = torch.arange(width // 2, device=x.device, dtype=torch.float32)
    angle = place * 1e4 ** (-2 * pair / width)  # (M, C / 2)
    decay = (2 * pair / width + 0.4) / 1.4
    scale = decay ** ((-place if inverse else place) / XPOS_SCALE)
    cos, sin = (angle.cos() * scale).to(x.dtype), (angle.sin() * scale).to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)


def decay_mask(length: int, gamma: float, direction: Literal["bidirectional", "forward"] = "bidirectional") -> Tensor:
    """M_RD (T, T), Eq. 4: γ^|n−m|; forward: 0 where n < m."""
    distance = torch.arange(length).unsqueeze(1) - torch.arange(length)
    mask = float(gamma) ** distance.abs().float()
    return mask if direction == "bidirectional" else mask.tril()


def sparse_mask(table: Tensor, diagonal: float = 1.0) -> Tensor:
    """M_LS (T, T), Eq. 5: σ(W_LS), and `diagonal` on the diagonal."""
    same = torch.eye(len(table), dtype=torch.bool, device=table.device)
    return table.sigmoid().masked_fill(same, diagonal)


class MaskableRetention(nn.Module):
    """Softmax over queries and clips together; between clips under both masks (Eq. 7 and 8)."""

    def __init__(self, config: MRNetConfig):
        super().__init__()
        width = config.width
        self.num_heads, self.config = config.num_heads, config
        self.text = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in ("query", "key", "value")})
        self.video = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in ("query", "key", "value")})
        self.out = nn.Linear(width, width)
        decay = decay_mask(config.num_clips, config.gamma, config.direction)
        self.register_buffer("decay", decay, persistent=False)
        self.table = nn.Parameter(torch.randn(config.num_clips, config.num_clips)) if config.sparse_mask else None

    def forward(self, text: Tensor, clips: Tensor, text_mask: Tensor) -> Tensor:
        """text (B, M, d), clips (B, T, d), text_mask (B, M) -> (B, M + T, d)."""
        (q_t, k_t, v_t), (q_v, k_v, v_v) = self._project(self.text, text), self._project(self.video, clips)  # Eq. 1
        q, k, v = torch.cat([q_t, q_v], 2), torch.cat([k_t, k_v], 2), torch.cat([v_t, v_v], 2)
        logits, queries = q @ k.transpose(-1, -2), text.shape[1]  # (B, H, S, S), Eq. 2
        video = self._masked(logits[:, :, queries:, queries:] * self._scale("video", "all"))
        rest = logits * self._scale("all")
        clip_rows = torch.cat([rest[:, :, queries:, :queries], video], -1)
        logits = torch.cat([rest[:, :, :queries], clip_rows], 2)  # A', Eq. 7
        heard = torch.cat([text_mask, text_mask.new_ones(clips.shape[:2])], 1)
        weights = masked_softmax(logits, heard[:, None, None])
        return self.out(merge_heads(weights @ v))  # Eq. 8

    def masks(self) -> Tensor:
        """M_RD ⊙ M_LS (T, T)."""
        if self.table is None:
            return self.decay
        return self.decay * sparse_mask(self.table, 2.0 if self.config.sparse_diagonal == "released" else 1.0)

    def _project(self, layers: nn.ModuleDict, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (split_heads(layers[name](x), self.num_heads) for name in ("query", "key", "value"))
        if self.config.position == "xpos":
            q, k = xpos(q, inverse=False), xpos(k, inverse=True)
        return q, k, v

    def _scale(self, *where: str) -> float:
        return 1 / math.sqrt(self.config.width // self.num_heads) if self.config.logit_scale in where else 1.0

    def _masked(self, logits: Tensor) -> Tensor:
        if self.config.mask_form == "logits":
            return logits * self.masks()
        return logits + self.masks().clamp(min=torch.finfo(logits.dtype).tiny).log()


class MRTBlock(nn.Module):
    """X′ = X + MaskRetention(LN X); MRT(X) = X′ + FFN(LN X′) (Eq. 9)."""

    def __init__(self, config: MRNetConfig):
        super().__init__()
        width, hidden = config.width, config.expand * config.width
        self.norm = nn.LayerNorm(width) if config.retention_norm else nn.Identity()
        self.retention, self.norm_ffn = MaskableRetention(config), nn.LayerNorm(width)
        if config.spiking in ("ffn", "both"):
            self.ffn: nn.Module = SpikingFeedForward(width, hidden, config.lif)
        else:
            self.ffn = feed_forward(width, hidden, activation=nn.GELU)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, text: Tensor, clips: Tensor, text_mask: Tensor, num_timesteps: int | None) -> list[Tensor]:
        """text (B, M, d), clips (B, T, d), text_mask (B, M) -> both, changed."""
        x = torch.cat([text, clips], 1)
        normed = self.norm(x)
        x = x + self.dropout(self.retention(*normed.split([text.shape[1], clips.shape[1]], 1), text_mask))
        normed = self.norm_ffn(x)
        if isinstance(self.ffn, SpikingFeedForward):
            real = torch.cat([text_mask, text_mask.new_ones(clips.shape[:2])], 1)
            added = self.ffn(normed, real, num_timesteps)
        else:
            added = self.ffn(normed)
        return list((x + self.dropout(added)).split([text.shape[1], clips.shape[1]], 1))
