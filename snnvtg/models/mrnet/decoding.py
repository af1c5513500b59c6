"""Windows and saliency from MRNet's heads."""

import torch
from torch import Tensor

from snnvtg.metrics import nms
from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.output import MapOutput, MomentsOutput, MRNetOutput
from snnvtg.records import Batch, Prediction
from snnvtg.windows import start_end


def predict(output: MRNetOutput, batch: Batch, config: MRNetConfig, *, top: int = 10) -> list[Prediction]:
    """Every query's windows in seconds, best first after suppression, and one saliency score per clip, or none."""
    scored = scored_spans(output.answer).detach().float().cpu()
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


def scored_spans(answer: MapOutput | MomentsOutput) -> Tensor:
    """(B, proposals, 3): start and end as shares of the video, and the score."""
    if isinstance(answer, MomentsOutput):
        ends = torch.stack(start_end(*answer.spans[-1].unbind(-1)), -1).clamp(0, 1)
        return torch.cat([ends, answer.logits[-1].softmax(-1)[..., :1]], -1)
    spans = answer.spans.expand(len(answer.scores), -1, -1)
    return torch.cat([spans, answer.scores.unsqueeze(-1)], -1)
