"""How windows are read off the dense heads of a clip-wise model."""

from typing import Literal

import torch
from torch import Tensor

from snnvtg.metrics import nms
from snnvtg.models.clipwise.output import ClipwiseOutput
from snnvtg.records import Batch, Prediction
from snnvtg.windows import pairwise_iou

Decoding = Literal["clip", "expected_iou"]
MOST_PROPOSALS = 200


def predict_windows(
    output: ClipwiseOutput, batch: Batch, decoding: Decoding = "clip", *, top: int = 10, nms_threshold: float = 0.7
) -> list[Prediction]:
    """Windows and saliency of every query, best window first, overlapping ones suppressed.

    Clip i proposes the window (c_i − d_s, c_i + d_e) around its centre c_i = (i + 0.5) · clip length, cut to the
    video. `clip` returns these, ranked by the clip's foreground probability. `expected_iou` ranks every window between
    two clip edges by its mean IoU with the proposals, weighted by their softmax: where the clips disagree it answers
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
    """(K, 3): every window between two clip edges, the K = 100 best of them.

    The score is the expected IoU times the probability of the video's best clip: the first ranks the windows of one
    video, the second says whether the video holds the moment, and so compares windows of two videos.
    """
    return windows_agreed_on(logits, clip_windows(logits, boundaries, end)[:, :2], len(logits), end, temperature)


def windows_agreed_on(
    logits: Tensor, proposals: Tensor, num_clips: int, end: float, temperature: float = 0.45
) -> Tensor:
    """`expected_iou_windows` for any proposals (M, 2) in clips and their logits (M,).

    Beyond 200 proposals only the 200 heaviest count, and only edges next to one of theirs: all windows of an hour
    against all its proposals would be ten billion pairs.
    """
    edges = torch.arange(num_clips + 1, dtype=torch.float32).clamp(max=end)
    if len(logits) > MOST_PROPOSALS:
        heaviest = logits.topk(MOST_PROPOSALS).indices
        proposals, logits = proposals[heaviest], logits[heaviest]
        edges = torch.cat([edges[[0, -1]], proposals.round().clamp(max=end).flatten()]).unique()
    first, last = torch.triu_indices(len(edges), len(edges), 1)
    candidates = torch.stack([edges[first], edges[last]], 1)
    held = logits.max().sigmoid()
    weight = (logits / temperature).softmax(0)
    score = pairwise_iou(candidates, proposals) @ weight
    best = score.topk(min(100, len(score))).indices
    return torch.cat([candidates[best], held * score[best].unsqueeze(1)], 1)


_DECODERS = {"clip": clip_windows, "expected_iou": expected_iou_windows}
