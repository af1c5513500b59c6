"""The Transformer baseline: the same inputs and heads, softmax attention in place of CMR, SSD and MRM.

The paper's Table 4 has a row of this name and does not describe it. Here clips and words form one sequence through
pre-norm encoder layers of the model's width, depth and heads, so that every clip can attend to every word.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.models.clipwise import ClipwiseConfig, ClipwiseLossConfig, ClipwiseModel


@dataclass(frozen=True)
class TransformerConfig(ClipwiseConfig):
    """The common settings, and how wide the feed-forward layers are."""

    expand: int = 4

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "expand")


CONFIGS = {
    "paper": TransformerConfig(),
    "demo": TransformerConfig(
        width=48,
        num_blocks=2,
        num_heads=4,
        input_dropout=0.1,
        alignment="match",
        match_words="weighted",
        match_dropout=0.1,
        loss=ClipwiseLossConfig(overlap=1.0),
    ),
    "small": TransformerConfig(
        width=64,
        num_blocks=2,
        centre_videos=True,
        position="none",
        dropout=0.25,
        input_dropout=0.4,
        alignment="match",
        match_words="weighted",
        decoding="expected_iou",
        loss=ClipwiseLossConfig(overlap=1.0, entropy_negatives="batch", entropy_levels="mean"),
    ),
}
"""settings by preset: those of the model it is compared with in Table 4"""


class Transformer(ClipwiseModel):
    """Joint self-attention over clips and words."""

    config_class = TransformerConfig
    configs = CONFIGS
    config: TransformerConfig

    def __init__(self, config: TransformerConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.modality = nn.Parameter(torch.randn(2, config.width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width,
                config.num_heads,
                config.expand * config.width,
                config.dropout,
                "gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.num_blocks)
        )

    def encode(self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """As ClipwiseModel; there are no spikes."""
        joint = torch.cat([vis + self.modality[0], tex + self.modality[1]], 1)
        padding = ~torch.cat([vis_mask, tex_mask], 1)
        for layer in self.layers:
            joint = layer(joint, src_key_padding_mask=padding)
        return joint[:, : vis.shape[1]], {}
