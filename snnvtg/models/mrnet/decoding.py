"""Windows and saliency from MRNet's heads."""

import torch
from torch import Tensor

from snnvtg.metrics import nms
from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.output import MapOutput, MomentsOutput, MRNetOutput
from snnvtg.records import Batch, Prediction
from snnvtg.windows import pairwise_iou, start_end

TEMPERATURE = 0.45
"""of the softmax that weighs proposals in `expected_iou`"""


def predict(output: MRNetOutput, batch: Batch, config: MRNetConfig, *, top: int = 10) -> list[Prediction]:
    """Every query's windows in seconds, best first after suppression, and one saliency score per clip, or none."""
    scored = scored_spans(output.answer, config).detach().float().cpu()
    saliency = None if output.saliency is None else output.saliency.detach().float().cpu()
    counts, predictions = batch.video_mask.sum(1).tolist(), []
    for row, query in enumerate(batch.queries):
        windows = scored[row].double().numpy()
        windows[:, :2] = (windows[:, :2] * counts[row] * batch.clip_length).clip(0, query.duration)
        kept = nms(windows, config.nms_threshold, most=top)
        rated = () if saliency is None else tuple(saliency[row, : counts[row]].tolist())
        found = tuple(tuple(window) for window in kept.tolist())
        predictions.append(Prediction(query.qid, query.query, query.vid, found, rated))
    return predictions


def scored_spans(answer: MapOutput | MomentsOutput, config: MRNetConfig) -> Tensor:
    """(B, proposals, 3): start and end as shares of the video, and the score."""
    if isinstance(answer, MomentsOutput):
        ends = torch.stack(start_end(*answer.spans[-1].unbind(-1)), -1).clamp(0, 1)
        return torch.cat([ends, answer.logits[-1].softmax(-1)[..., :1]], -1)
    scores = answer.scores
    if config.decoding == "expected_iou":
        scores = expected_iou(scores, answer.spans)
    return torch.cat([answer.spans.expand(len(scores), -1, -1), scores.unsqueeze(-1)], -1)


def expected_iou(scores: Tensor, spans: Tensor) -> Tensor:
    """(B, C): the mean IoU of each proposal with all, weighted by a softmax of log scores, times the best score.

    The first ranks the proposals of one video, the second compares videos.
    """
    weight = (scores.clamp(min=1e-9).log() / TEMPERATURE).softmax(-1)
    return scores.amax(-1, keepdim=True) * (weight @ pairwise_iou(spans, spans))
