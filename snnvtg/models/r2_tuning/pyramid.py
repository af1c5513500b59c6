"""The temporal feature pyramid (Section 3.4 of R²-Tuning): its levels, its points, and the moment of each point.

The levels stand one behind the other in a single sequence, as in the paper, so that the heads read all of them at once;
an empty place between two levels keeps a head from looking from one into the next.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

PointPlace = Literal["start", "centre"]


@dataclass(frozen=True)
class Points:
    """The M places of the sequence: levels of L, ⌈L/2⌉, … points with an empty place between two."""

    place: Tensor
    """(M,) where the point stands in the video, in clips"""
    stride: Tensor
    """(M,) clips between neighbours of its level"""
    level: Tensor
    """(M,) its level, from 0"""
    least: Tensor
    """(M,) the range of the greater distance to a moment's ends that its level answers for, in clips"""
    most: Tensor
    empty: Tensor
    """(M,) whether it is the place between two levels and no point"""


def pyramid_points(num_clips: int, strides: tuple[int, ...], at: PointPlace, device: torch.device | str) -> Points:
    """The points of a video of `num_clips`; level l answers for distances from its stride to the next one's.

    The first from 0, the last without end: (0, 2), (2, 4), (4, 8), (8, ∞) for strides 1, 2, 4, 8.
    """
    edges = [0.0, *map(float, strides[1:]), float("inf")]
    rows = []
    for level, (stride, (least, most)) in enumerate(zip(strides, pairwise(edges), strict=True)):
        offset = stride / 2 if at == "centre" else 0.0
        count = -(-num_clips // stride)
        rows += [(j * stride + offset, stride, level, least, most, 0) for j in range(count)]
        rows.append((0.0, stride, level, least, most, 1))
    place, stride, level, least, most, empty = torch.tensor(rows[:-1], device=device).unbind(1)
    return Points(place, stride, level.long(), least, most, empty.bool())


def assign(points: Points, windows: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Whether each of M points answers for a moment, and its distances (M, 2) in strides back to start and on to end.

    windows (W, 2) in clips. A point answers for a moment that it lies in, no farther than `radius` strides from its
    middle, whose farther end is in the range of the point's level; for the shortest where there are several.
    """
    if not len(windows):
        return torch.zeros_like(points.empty), torch.zeros_like(points.place).unsqueeze(1).expand(-1, 2)
    place = points.place.unsqueeze(1)  # (M, 1)
    distances = torch.stack([place - windows[:, 0], windows[:, 1] - place], -1)  # (M, W, 2)
    inside = (distances >= 0).all(-1) & ~points.empty.unsqueeze(1)
    inside &= (place - windows.mean(1)).abs() <= radius * points.stride.unsqueeze(1)
    farther = distances.amax(-1)
    inside &= (farther >= points.least.unsqueeze(1)) & (farther <= points.most.unsqueeze(1))
    length = (windows[:, 1] - windows[:, 0]).expand_as(inside).masked_fill(~inside, torch.inf)
    shortest = length.argmin(1)
    chosen = distances[torch.arange(len(place), device=place.device), shortest]
    return inside.any(1), chosen / points.stride.unsqueeze(1)


class Pyramid(nn.Module):
    """Level l is h after l − 1 convolutions of stride 2 of its own, each with LayerNorm and ReLU."""

    def __init__(self, width: int, num_levels: int):
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(_Halving(width) for _ in range(number)) for number in range(num_levels)
        )

    def forward(self, hidden: Tensor, valid_mask: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, L, C), valid_mask (B, L) -> all levels in one sequence (B, M, C) and its mask (B, M)."""
        sequences, masks = [], []
        for level in self.levels:
            x, mask = hidden, valid_mask
            for halving in level:
                x, mask = halving(x, mask)
            sequences += [x, x.new_zeros(x.shape[0], 1, x.shape[2])]
            masks += [mask, mask.new_zeros(mask.shape[0], 1)]
        return torch.cat(sequences[:-1], 1), torch.cat(masks[:-1], 1)


class _Halving(nn.Module):
    """Two neighbours become one; the last of an odd number is joined to zeros."""

    def __init__(self, width: int):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(width, width, 2, stride=2), nn.LayerNorm(width)

    def forward(self, x: Tensor, valid_mask: Tensor) -> tuple[Tensor, Tensor]:
        x = x * valid_mask.unsqueeze(-1).to(x.dtype)
        x = nn.functional.pad(x, (0, 0, 0, x.shape[1] % 2))
        return self.norm(self.conv(x.transpose(1, 2)).transpose(1, 2)).relu(), valid_mask[:, ::2]
