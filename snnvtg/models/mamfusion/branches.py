"""The three towers of MamFusion: words (Section II-A), clips and frames (Section II-B)."""

import torch
from torch import Tensor, nn

from snnvtg.layers.mamba import Mamba, MambaConfig
from snnvtg.layers.positions import LearnedPositions
from snnvtg.layers.projection import InputProjection, LinearPath, normed_projection
from snnvtg.models.mamfusion.config import MamFusionConfig
from snnvtg.models.mamfusion.gaussian import AttentionUnit, GaussianBlock


def segment_weights(valid_mask: Tensor, num_segments: int) -> Tensor:
    """Shares (B, S, L) of each row in the segments that the valid rows are averaged to; a segment's sum to 1.

    Segment s of a video of n rows holds the rows from ⌊s n/S⌋ to ⌈(s + 1) n/S⌉, so that a row stands in several where
    there are fewer rows than segments.
    """
    place = torch.arange(valid_mask.shape[1], device=valid_mask.device)
    segment = torch.arange(num_segments, device=valid_mask.device).unsqueeze(1)  # (S, 1)
    length = valid_mask.sum(1)[:, None, None]
    start = segment * length // num_segments  # (B, S, 1)
    stop = ((segment + 1) * length + num_segments - 1) // num_segments
    inside = (place >= start) & (place < stop)
    return inside / inside.sum(2, keepdim=True)


class InputRows(nn.Module):
    """Projection to the width, learned positions, LayerNorm, dropout."""

    def __init__(self, config: MamFusionConfig, in_width: int, length: int):
        super().__init__()
        if config.projection == "paper":
            self.project = normed_projection(in_width, config.width, dropout=config.input_dropout)
        else:
            self.project = InputProjection(in_width, config.width, config.input_dropout)
        self.positions = LearnedPositions(length, config.width)
        self.norm, self.dropout = nn.LayerNorm(config.width), nn.Dropout(config.input_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, L, in) -> (B, L, d)."""
        return self.dropout(self.norm(self.positions(self.project(x))))


class MambaResidual(nn.Module):
    """x + LN(Mamba(x)): Eq. 5, with the residual of the released code."""

    def __init__(self, config: MamFusionConfig):
        super().__init__()
        sizes = MambaConfig(config.width, config.state_size, config.conv_width, config.expand)
        self.mamba, self.norm = Mamba(sizes), nn.LayerNorm(config.width)

    def forward(self, x: Tensor, valid_mask: Tensor) -> Tensor:
        """x (B, L, d), valid_mask (B, L) -> (B, L, d)."""
        return x + self.norm(self.mamba(x, valid_mask))


class Branch(nn.Module):
    """Rows through a network, or beside it through a linear map of their standardised features."""

    def __init__(self, config: MamFusionConfig, in_width: int, length: int):
        super().__init__()
        self.rows = InputRows(config, in_width, length)
        self.direct = None
        if config.linear_path:
            self.direct = LinearPath(in_width, config.width, config.input_dropout)

    def encode(self, x: Tensor, valid_mask: Tensor, num_timesteps: int | None) -> Tensor:
        """The network: x (B, L, in), valid_mask (B, L), T of the spiking form -> (B, L, d)."""
        raise NotImplementedError

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int | None = None) -> Tensor:
        """As `encode`, with the linear map beside it where there is one."""
        encoded = self.encode(x, valid_mask, num_timesteps)
        if self.direct is None:
            return encoded
        return self.direct(self.rows.project.standardised(x), encoded)


class VideoBranch(Branch):
    """Rows of a video, at most `length` of them: twice a Gaussian block and a Mamba."""

    def __init__(self, config: MamFusionConfig, in_width: int, length: int):
        super().__init__(config, in_width, length)
        self.blocks = nn.ModuleList(GaussianBlock(config) for _ in range(config.num_blocks))
        count = config.num_blocks if config.use_mamba else 0
        self.mambas = nn.ModuleList(MambaResidual(config) for _ in range(count))

    def encode(self, x: Tensor, valid_mask: Tensor, num_timesteps: int | None) -> Tensor:
        """As Branch: V_c, or the rows that V_v is pooled from."""
        x = self.rows(x)
        for number, block in enumerate(self.blocks):
            x = block(x, valid_mask, num_timesteps)  # V_fg
            if self.mambas:
                x = self.mambas[number](x, valid_mask)  # V_fm
        return x


class TextBranch(Branch):
    """Words: one Transformer layer (Section II-A); no Gaussian."""

    def __init__(self, config: MamFusionConfig, in_width: int):
        super().__init__(config, in_width, config.max_tokens)
        self.layer = AttentionUnit(config)

    def encode(self, x: Tensor, valid_mask: Tensor, num_timesteps: int | None) -> Tensor:
        """As Branch: Q."""
        return self.layer(self.rows(x), valid_mask, num_timesteps)
