"""The temporal fusion of MamFusion: Eq. 3 and 4, and what its released code does in their place."""

import math

import torch
from torch import Tensor, nn

from snnvtg.layers.attention import MultiHeadAttention, masked_softmax
from snnvtg.models.mamfusion.config import MamFusionConfig


def attend_pairs(
    attention: MultiHeadAttention, queries: Tensor, memory: Tensor, memory_mask: Tensor | None = None
) -> Tensor:
    """What `attention` gives for every sequence of `queries` with every one of `memory`, each projected once.

    queries (Q, N, d), memory (V, M, d), memory_mask (V, M), none where all are real -> (Q, V, N, d).
    """
    (size, count), (videos, places) = queries.shape[:2], memory.shape[:2]
    q = _by_head(attention.query(queries), attention.num_heads)  # (H, Q·N, c)
    k, v = (_by_head(layer(memory), attention.num_heads) for layer in (attention.key, attention.value))  # (H, V·M, c)
    logits = (q @ k.transpose(1, 2)).unflatten(-1, (videos, places)).transpose(1, 2) / math.sqrt(q.shape[-1])
    if memory_mask is None:
        weights = logits.softmax(-1)  # (H, V, Q·N, M)
    else:
        weights = masked_softmax(logits, memory_mask.unsqueeze(1))
    read = attention.dropout(weights) @ v.unflatten(1, (videos, places))  # (H, V, Q·N, c)
    return attention.out(read.unflatten(2, (size, count)).permute(2, 1, 3, 0, 4).flatten(3))


def _by_head(x: Tensor, num_heads: int) -> Tensor:
    """(B, M, d) -> (H, B·M, d / H)."""
    return x.flatten(0, 1).unflatten(-1, (num_heads, -1)).transpose(0, 1)


class PairFusion(nn.Module):
    """Each query with each video: words read its clips (Eq. 3), and clips the words (Eq. 4).

    Section II-C says that Eq. 3 reads the output of the Mamba module, V_fm, and names it V_ft, which is the output of
    Eq. 4: here both equations read what the branches give. Eq. 4 as printed reads the one sentence vector q, over
    which a softmax is 1 everywhere, so that every clip would become q W^V: here it reads the words Q. With the
    residual both begin as the identity (the last layer starts at 0).
    """

    def __init__(self, config: MamFusionConfig):
        super().__init__()
        self.residual = config.fusion_residual
        sizes = {"width": config.width, "num_heads": config.num_heads, "dropout": config.dropout}
        self.video_to_text = MultiHeadAttention(**sizes) if config.video_to_text else None
        self.text_to_video = MultiHeadAttention(**sizes) if config.text_to_video else None
        for attention in filter(None, (self.video_to_text, self.text_to_video)):
            if self.residual:
                nn.init.zeros_(attention.out.weight)
                nn.init.zeros_(attention.out.bias)

    def forward(self, words: Tensor, text_mask: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
        """words (Q, N, d), text_mask (Q, N), clips (V, M, d) -> Q′ (Q, V, N, d) and V_ft (Q, V, M, d)."""
        size = (len(words), len(clips))
        fused_words, fused_clips = words.unsqueeze(1), clips.unsqueeze(0)
        if self.video_to_text is not None:
            read = attend_pairs(self.video_to_text, words, clips)
            fused_words = fused_words + read if self.residual else read
        if self.text_to_video is not None:
            read = attend_pairs(self.text_to_video, clips, words, text_mask).transpose(0, 1)
            fused_clips = fused_clips + read if self.residual else read
        return fused_words.expand(*size, -1, -1), fused_clips.expand(*size, -1, -1)


class BatchFusion(nn.Module):
    """The released code's fusion: pooled vectors that attend to the other samples of the batch, multiplied with them.

    Its two attentions take the batch for the sequence. The result goes into the diversity loss alone.
    """

    def __init__(self, config: MamFusionConfig):
        super().__init__()
        self.video_to_text = MultiHeadAttention(config.width, config.num_heads)
        self.text_to_video = MultiHeadAttention(config.width, config.num_heads)

    def forward(self, queries: Tensor, frames: Tensor) -> Tensor:
        """queries (Q, d), frames (V, d) -> queries (Q, d)."""
        frames = frames * self._read(self.video_to_text, frames, queries)
        return queries * self._read(self.text_to_video, queries, frames)

    @staticmethod
    def _read(attention: MultiHeadAttention, queries: Tensor, memory: Tensor) -> Tensor:
        everything = memory.new_ones(1, len(memory), dtype=torch.bool)
        return attention(queries.unsqueeze(0), memory.unsqueeze(0), everything).squeeze(0)
