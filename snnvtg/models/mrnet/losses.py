"""The losses of MRNet: Eq. 6 and 10 to 12, and the hinge loss of the saliency head."""

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.models.losses import info_nce, masked_mean
from snnvtg.models.mrnet.config import MRNetLossConfig
from snnvtg.models.mrnet.output import MapOutput
from snnvtg.records import Batch
from snnvtg.windows import pairwise_iou


def windows_as_shares(batch: Batch) -> list[Tensor]:
    """The windows of each query (W, 2) as shares of its clips; (0, 2) for a query without any."""
    ends = (batch.video_mask.sum(1) * batch.clip_length).tolist()
    rows = [torch.tensor(query.relevant_windows).reshape(-1, 2) for query in batch.queries]
    return [(row / end).clamp(0, 1).to(batch.video.device) for row, end in zip(rows, ends, strict=True)]


def overlaps(batch: Batch, spans: Tensor) -> Tensor:
    """(B, C): IoU of every proposal, spans (C, 2) as shares of the video, with the window it meets best."""
    rows = [pairwise_iou(spans, windows) for windows in windows_as_shares(batch)]
    return torch.stack([row.amax(1) if row.shape[1] else spans.new_zeros(len(spans)) for row in rows])


def rescaled(iou: Tensor, low: float, high: float) -> Tensor:
    """IoU of [low, high] as a target of 0 … 1, cut to that."""
    return ((iou - low) / (high - low)).clamp(0, 1)


def iou_loss(output: MapOutput, iou: Tensor, config: MRNetLossConfig) -> Tensor:
    """Eq. 10 with the sign it needs: cross-entropy of the rescaled IoU (B, C), mean over all proposals."""
    target = rescaled(iou, *config.iou_range)
    return F.binary_cross_entropy_with_logits(output.iou_logits.float(), target)


def contrastive_loss(output: MapOutput, iou: Tensor, batch: Batch, config: MRNetLossConfig) -> Tensor:
    """Eq. 11, the sum of both directions; the moment of a query is its proposal of highest IoU (MMN).

    Query to moment: against the proposals of every other video of the batch, and those of its own below the IoU that
    becomes target 0. Moment to query: against the batch's queries about other videos. The same sentence about another
    video is no negative. Queries without a window add nothing.
    """
    same_video, same_text = (_equal(names) for names in zip(*((q.vid, q.query) for q in batch.queries), strict=True))
    asked = torch.tensor([bool(query.relevant_windows) for query in batch.queries], device=iou.device)
    best, row = iou.argmax(1), torch.arange(len(iou), device=iou.device)
    foreign = ~(same_video | same_text).to(iou.device)
    proposals, query = output.proposals.float(), output.query.float()

    cosine = torch.einsum("bd,vcd->bvc", query, proposals)  # (B, B, C)
    negative = foreign.unsqueeze(-1).expand_as(cosine).clone()
    negative[row, row] = iou < config.iou_range[0]
    towards_moments = _matching(cosine[row, row, best], cosine.flatten(1), negative.flatten(1), asked, config)

    against = proposals[row, best] @ query.T  # (B, B)
    towards_queries = _matching(against.diagonal(), against, foreign, asked, config)
    return towards_moments + towards_queries


def _matching(positive: Tensor, others: Tensor, negative: Tensor, asked: Tensor, config: MRNetLossConfig) -> Tensor:
    """−log p of a row's positive (B,), less the margin, among the negatives of `others` (B, ·); mean over `asked`."""
    ours = positive.unsqueeze(1) - config.contrastive_margin
    matching = torch.zeros(len(others), others.shape[1] + 1, dtype=torch.bool, device=others.device)
    matching[:, 0] = asked
    logits = torch.cat([ours, others.masked_fill(~negative, -torch.inf)], 1)
    return info_nce(logits, matching, config.contrastive_temperature)


def _equal(names: tuple) -> Tensor:
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    numbers = torch.tensor([number[name] for name in names])
    return numbers.unsqueeze(1) == numbers


def sparsity_loss(tables: tuple[Tensor, ...], config: MRNetLossConfig) -> Tensor:
    """L_sparse, Eq. 6, of tables W_LS (T, T): mean σ(W), zero below 0.5 α; mean over the blocks."""
    means = []
    for table in tables:
        mask = table.sigmoid()
        if config.sparse_mean == "off_diagonal":
            mask = mask[~torch.eye(len(table), dtype=torch.bool, device=table.device)]
        means.append((mask.mean() - 0.5 * config.sparse_ratio).clamp(min=0))
    return torch.stack(means).mean()


def saliency_loss(saliency: Tensor, batch: Batch, margin: float) -> Tensor:
    """max(0, margin + s_j − s_i) for clips i rated above j: saliency (B, L), mean over each video's pairs, then videos.

    Moment-DETR's hinge loss; it draws two pairs per query, here every pair counts.
    """
    saliency, rated = saliency.float(), batch.saliency
    pairs = (rated.unsqueeze(2) > rated.unsqueeze(1)) & batch.video_mask.unsqueeze(2) & batch.video_mask.unsqueeze(1)
    hinge = (margin + saliency.unsqueeze(1) - saliency.unsqueeze(2)).clamp(min=0)
    count = pairs.sum((1, 2))
    return masked_mean((hinge * pairs).sum((1, 2)) / count.clamp(min=1), count > 0)
