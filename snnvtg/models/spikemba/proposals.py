"""The saliency proposal set: which clips the spikes propose, level by level."""

import torch
from torch import Tensor


def proposal_set(spikes: Tensor) -> list[list[tuple[int, int]]]:
    """The saliency proposal set of one video: spikes (T, L, d) -> for each level k = 1…T the runs of salient clips.

    r_i is the firing rate of clip i over time steps and channels; level k holds the runs [first, last + 1) of clips
    with r_i ≥ k / T. Deeper levels hold fewer clips: each is a degree of confidence.
    """
    rate = spikes.float().mean((0, 2))
    return [_runs(rate >= level / len(spikes)) for level in range(1, len(spikes) + 1)]


def _runs(salient: Tensor) -> list[tuple[int, int]]:
    edges = torch.diff(salient.int(), prepend=torch.zeros(1, dtype=torch.int), append=torch.zeros(1, dtype=torch.int))
    return list(zip((edges == 1).nonzero().flatten().tolist(), (edges == -1).nonzero().flatten().tolist(), strict=True))
