"""Windows and saliency from the heads' answers."""

import torch
from torch import Tensor

from snnvtg.metrics import nms
from snnvtg.models.clipwise.decoding import windows_agreed_on
from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.r2_tuning.output import R2Output
from snnvtg.records import Batch, Prediction


def proposed(output: R2Output) -> Tensor:
    """The window of each point (B, M, 2), in clips and not cut to the video, on the CPU."""
    place, stride = output.points.place.cpu(), output.points.stride.cpu()
    reach = output.distances.detach().float().cpu() * stride.unsqueeze(1)
    return torch.stack([place - reach[..., 0], place + reach[..., 1]], -1)


def predictions(output: R2Output, batch: Batch, config: R2TuningConfig) -> list[Prediction]:
    """For every query the best windows, cut to the video and suppressed, and a score for each clip."""
    logits, saliency = output.class_logits.detach().float().cpu(), output.saliency.detach().float().cpu()
    windows, valid = proposed(output), output.point_mask.cpu()
    seconds = torch.tensor([batch.clip_length, batch.clip_length, 1.0])
    found = []
    for row, query in enumerate(batch.queries):
        count, end = int(batch.video_mask[row].sum()), query.duration / batch.clip_length
        said, cut = logits[row, valid[row]], windows[row, valid[row]].clamp(0, end)
        if config.decoding == "points":
            best = said.topk(min(config.top, len(said))).indices
            scored = torch.cat([cut[best], said[best].sigmoid().unsqueeze(1)], 1)
        else:
            scored = windows_agreed_on(said, cut, count, end, config.agreement_temperature)
        kept = nms((scored * seconds).double().numpy(), config.nms_threshold, most=config.top)
        clips = saliency[row, :count] if config.saliency_from == "cosine" else logits[row, :count].sigmoid()
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
