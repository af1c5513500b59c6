"""Windows and saliency from the heads' answers."""

import torch

from snnvtg.metrics import nms
from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.r2_tuning.output import R2Output
from snnvtg.records import Batch, Prediction


def predictions(output: R2Output, batch: Batch, config: R2TuningConfig) -> list[Prediction]:
    """For every query the windows of its best points, cut to the video and suppressed, and a score for each clip."""
    logits, distances, saliency = (
        part.detach().float().cpu() for part in (output.class_logits, output.distances, output.saliency)
    )
    place, stride = output.points.place.cpu(), output.points.stride.cpu()
    reach = distances * stride.unsqueeze(1)
    windows = torch.stack([place - reach[..., 0], place + reach[..., 1]], -1) * batch.clip_length  # (B, M, 2)
    scores = logits.sigmoid().masked_fill(~output.point_mask.cpu(), -1.0)
    found = []
    for row, query in enumerate(batch.queries):
        best = scores[row].topk(min(config.top, int(output.point_mask[row].sum()))).indices
        cut = windows[row, best].clamp(0, query.duration)
        scored = torch.cat([cut, scores[row, best].unsqueeze(1)], 1).double().numpy()
        kept = nms(scored, config.nms_threshold)
        count = int(batch.video_mask[row].sum())
        clips = saliency[row, :count] if config.saliency_from == "cosine" else scores[row, :count]
        found.append(
            Prediction(
                qid=query.qid,
                query=query.query,
                vid=query.vid,
                pred_relevant_windows=tuple(tuple(window) for window in kept.tolist()),
                pred_saliency_scores=tuple(clips.tolist()),
            )
        )
    return found
