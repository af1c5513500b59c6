"""The sparse 2-D map of proposals (Zhang et al., 2D-TAN, 2020) and the convolutions over it.

Proposal (i, j) covers the cells i to j of the grid, j among them. C proposals · P = T² places of the dense map.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from snnvtg.layers.norm import MaskedBatchNorm
from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.neurons import LIF


def lengths_of_map(num_clips: int, counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(j − i, stride) of every kind of proposal: 1 clip, then `counts[s]` lengths at each stride 2^s.

    Lengths grow by the stride and starts are a stride apart: long proposals are sparse.
    """
    offset = 0
    yield offset, 1
    for level, count in enumerate(counts):
        for _ in range(count):
            offset += 2**level
            if offset >= num_clips:
                return
            yield offset, 2**level


def proposal_pairs(num_clips: int, counts: Sequence[int]) -> Tensor:
    """(C, 2) int64: first and last cell of every proposal, by length and then by start."""
    pairs = [
        (first, first + offset)
        for offset, stride in lengths_of_map(num_clips, counts)
        for first in range(0, num_clips - offset, stride)
    ]
    return torch.tensor(pairs)


def proposal_spans(pairs: Tensor, num_clips: int) -> Tensor:
    """(C, 2): start and end of every proposal as shares of the video."""
    return torch.stack([pairs[:, 0], pairs[:, 1] + 1], -1).float() / num_clips


def max_pooled(x: Tensor, num_clips: int, counts: Sequence[int]) -> Tensor:
    """x (B, T, d) -> the maximum over each proposal's cells (B, C, d), in the order of `proposal_pairs`."""
    pooled, offset, longest = [], 0, x  # `longest`: the maxima over offset + 1 cells from each
    for wanted, stride in lengths_of_map(num_clips, counts):
        if wanted > offset:
            grown = wanted - offset
            longest = torch.maximum(longest[:, : num_clips - wanted], longest[:, grown:])
            offset = wanted
        pooled.append(longest[:, ::stride])
    return torch.cat(pooled, 1)


def mean_pooled(x: Tensor, pairs: Tensor) -> Tensor:
    """x (B, T, d) -> the mean over each proposal's cells (B, C, d)."""
    sums = torch.cat([torch.zeros_like(x[:, :1]), x.cumsum(1)], 1)
    first, last = pairs.unbind(-1)
    return (sums[:, last + 1] - sums[:, first]) / (last - first + 1).unsqueeze(-1)


class MapHead(nn.Module):
    """Convolutions over the map, each followed by batch normalisation, ReLU or neurons, and the map's mask.

    Places of the map that are no proposal stay zero, so that nothing is read from there. Two linear layers (1 × 1
    convolutions) end in an IoU and a contrastive branch, both as wide as the query.
    """

    def __init__(self, config: MRNetConfig):
        super().__init__()
        self.num_clips, self.counts = config.num_clips, config.map_counts
        pairs = proposal_pairs(config.num_clips, config.map_counts)
        self.register_buffer("pairs", pairs, persistent=False)
        self.register_buffer("places", pairs[:, 0] * config.num_clips + pairs[:, 1], persistent=False)
        widths = [config.width, *[config.map_channels] * config.map_layers]
        kernel = config.map_kernel
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, kernel, padding=kernel // 2) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for width in widths[1:])
        spiking = config.spiking in ("map", "both")
        self.lifs = nn.ModuleList(LIF(config.lif) for _ in self.convs) if spiking else None
        self.iou = nn.Linear(config.map_channels, config.width)
        self.contrastive = None if config.match_space else nn.Linear(config.map_channels, config.width)

    def forward(self, clips: Tensor, num_timesteps: int | None) -> tuple[Tensor, Tensor | None]:
        """clips (B, T, d) -> both branches' features of the proposals (B, C, d); None of one that is not here."""
        dense = clips.new_zeros(len(clips), self.num_clips**2, clips.shape[-1])
        dense[:, self.places] = max_pooled(clips, self.num_clips, self.counts)
        mask = torch.zeros(dense.shape[1], dtype=torch.bool, device=clips.device)
        mask[self.places] = True
        hidden = self._spiking(dense, mask, num_timesteps) if self.lifs is not None else self._dense(dense, mask)
        chosen = hidden[..., self.places, :]  # (B, C, channels), of spikes (T, B, C, channels)
        branches = [None if branch is None else branch(chosen) for branch in (self.iou, self.contrastive)]
        if self.lifs is not None:
            branches = [None if branch is None else branch.mean(0) for branch in branches]
        return branches[0], branches[1]

    def _dense(self, x: Tensor, mask: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = nn.functional.relu(norm(self._convolved(conv, x), mask.expand(len(x), -1))) * mask.unsqueeze(-1)
        return x

    def _spiking(self, x: Tensor, mask: Tensor, num_timesteps: int | None) -> Tensor:
        """x (B, P, d) -> spikes (T, B, P, channels) of the last layer; the first layer's current is every step's."""
        steps = num_timesteps
        for conv, norm, lif in zip(self.convs, self.norms, self.lifs, strict=True):
            current = self._convolved(conv, x)
            scale, shift = norm.affine(current, mask.expand(x.shape[-3], -1))
            x = lif(current, num_timesteps=steps, scale=scale, shift=shift) * mask.unsqueeze(-1).to(current.dtype)
            steps = None
        return x

    def _convolved(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        """x (..., P, C) -> (..., P, C'); channels stay last in memory."""
        image = x.reshape(-1, self.num_clips, self.num_clips, x.shape[-1]).permute(0, 3, 1, 2)
        return conv(image).permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
