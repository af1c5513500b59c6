"""What a grounding model returns, and how windows are read off it."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from snnvtg.metrics import nms
from snnvtg.records import Batch, Prediction

Decoding = Literal["clip", "expected_iou"]
MOST_PROPOSALS = 200


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


def predict(
    output: GroundingOutput, batch: Batch, decoding: Decoding = "clip", *, top: int = 10, nms_threshold: float = 0.7
) -> list[Prediction]:
    """Windows and saliency of every query, best window first, overlapping ones suppressed.

    Clip i proposes the window (c_i − d_s, c_i + d_e) around its centre c_i = (i + 0.5) · clip length, cut to the
    video. `clip` returns these, ranked by the clip's foreground probability. `expected_iou` ranks every window between
    two clip borders by its mean IoU with the proposals, weighed by their softmax: where the clips disagree it answers
    with what they agree on.
    """
    logits, boundaries, saliency = (
        part.detach().float().cpu() for part in (output.foreground_logits, output.boundaries, output.saliency)
    )
    predictions = []
    for row, query in enumerate(batch.queries):
        count = int(batch.video_mask[row].sum())
        scored = _DECODERS[decoding](logits[row, :count], boundaries[row, :count], query.duration / batch.clip_length)
        windows = (scored * torch.tensor([batch.clip_length, batch.clip_length, 1.0])).double().numpy()
        kept = nms(windows, nms_threshold, most=top)
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


def clip_windows(logits: Tensor, boundaries: Tensor, end: float) -> Tensor:
    """(L, 3): start and end in clips, cut to [0, end], and the foreground probability of every clip."""
    centre = torch.arange(len(logits)).unsqueeze(1) + 0.5
    windows = (centre + boundaries * torch.tensor([-1.0, 1.0])).clamp(0, end)
    return torch.cat([windows, logits.sigmoid().unsqueeze(1)], 1)


def expected_iou_windows(logits: Tensor, boundaries: Tensor, end: float, temperature: float = 0.45) -> Tensor:
    """(K, 3): every window between two clip borders with its expected IoU, the K = 100 best.

    Beyond 200 clips only the 200 heaviest proposals count, and only borders next to one of theirs: all windows of an
    hour against all its proposals would be ten thousand million pairs.
    """
    proposals = clip_windows(logits, boundaries, end)[:, :2]
    borders = torch.arange(len(logits) + 1, dtype=torch.float32).clamp(max=end)
    if len(logits) > MOST_PROPOSALS:
        heaviest = logits.topk(MOST_PROPOSALS).indices
        proposals, logits = proposals[heaviest], logits[heaviest]
        borders = torch.cat([borders[[0, -1]], proposals.round().clamp(max=end).flatten()]).unique()
    first, last = torch.triu_indices(len(borders), len(borders), 1)
    candidates = torch.stack([borders[first], borders[last]], 1)
    weight = (logits / temperature).softmax(0)
    score = window_iou(candidates, proposals) @ weight
    best = score.topk(min(100, len(score))).indices
    return torch.cat([candidates[best], score[best].unsqueeze(1)], 1)


def window_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of windows (K, 2) and (L, 2) -> (K, L); two empty windows have none."""
    shared = torch.minimum(first[:, None, 1], second[:, 1]) - torch.maximum(first[:, None, 0], second[:, 0])
    shared = shared.clamp(min=0)
    union = (first[:, 1] - first[:, 0]).unsqueeze(1) + (second[:, 1] - second[:, 0]) - shared
    return shared / union.clamp(min=1e-6)


_DECODERS = {"clip": clip_windows, "expected_iou": expected_iou_windows}


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
