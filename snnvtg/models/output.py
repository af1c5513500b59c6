"""What a grounding model returns, and how windows are read off it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from snnvtg.records import Batch, Prediction


@dataclass(frozen=True)
class GroundingOutput:
    """Dense output over clips; B samples, L clips, width d, T time steps."""

    foreground_logits: Tensor
    """(B, L)"""
    boundaries: Tensor
    """(B, L, 2): distances, in clips and never negative, from the clip's centre back to the start and on to the end"""
    saliency: Tensor
    """s_i (B, L): cosine of clip and query"""
    clips: Tensor
    """(B, L, d): O of the last block"""
    query: Tensor
    """(B, d): the pooled text"""
    spikes: tuple[Tensor, ...]
    """one (T, B, L, d) a block; empty without a spiking detector"""


def predict(output: GroundingOutput, batch: Batch, *, top: int = 10, nms_threshold: float = 0.7) -> list[Prediction]:
    """Windows and saliency of every query, best window first, overlapping ones suppressed.

    Clip i gives the window (c_i − d_s, c_i + d_e) around its centre c_i = (i + 0.5) · clip length, cut to the video.
    """
    from snnvtg.metrics import nms

    score = output.foreground_logits.float().sigmoid().cpu()
    boundaries = output.boundaries.float().cpu()
    saliency = output.saliency.float().cpu()
    centre = torch.arange(score.shape[1]) + 0.5
    predictions = []
    for row, query in enumerate(batch.queries):
        count = int(batch.video_mask[row].sum())
        reach = boundaries[row, :count] * torch.tensor([-1.0, 1.0])
        windows = ((centre[:count, None] + reach) * batch.clip_length).clamp(0, query.duration)
        kept = nms(torch.cat([windows, score[row, :count, None]], 1).double().numpy(), nms_threshold)[:top]
        predictions.append(
            Prediction(
                qid=query.qid,
                query=query.query,
                vid=query.vid,
                pred_relevant_windows=tuple(tuple(window) for window in kept.tolist()),
                pred_saliency_scores=tuple(saliency[row, :count].tolist()),
            )
        )
    return predictions


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
