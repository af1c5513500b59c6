"""The saliency proposal set: which clips the spikes propose, level by level."""

from typing import Literal

import torch
from torch import Tensor


def clip_rates(spikes: Tensor) -> Tensor:
    """r_i: spikes (T, ..., L, d) -> (..., L), the rate of each clip over time steps and channels."""
    return spikes.float().mean((0, -1))


def proposal_set(spikes: Tensor, levels: Literal["absolute", "relative"] = "absolute") -> list[list[tuple[int, int]]]:
    """The saliency proposal set of one video: spikes (T, L, d) -> for each level k = 1…T the runs of salient clips.

    Level k holds the runs [first, last + 1) of clips whose rate r_i is at least k / T. Deeper levels hold fewer clips:
    each is a degree of confidence. Rates of a whole population hardly ever reach the higher levels; `relative` sets
    them between the lowest and the highest rate of the video, k − ½ of T parts above the lowest.
    """
    rate, steps = clip_rates(spikes), torch.arange(1, len(spikes) + 1) / len(spikes)
    if levels == "relative":
        steps = rate.min() + (steps - 0.5 / len(spikes)) * (rate.max() - rate.min())
    return [_runs((rate >= level) & (rate > 0)) for level in steps]


def _runs(salient: Tensor) -> list[tuple[int, int]]:
    edges = torch.diff(salient.int(), prepend=torch.zeros(1, dtype=torch.int), append=torch.zeros(1, dtype=torch.int))
    return list(zip((edges == 1).nonzero().flatten().tolist(), (edges == -1).nonzero().flatten().tolist(), strict=True))
