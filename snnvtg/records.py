"""What flows between data, models and metrics: a Query, a Batch of them, a Prediction. Keys are the jsonl keys."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # reading annotations needs no torch
    import torch
    from torch import Tensor

Windows = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Query:
    """One annotated query.

    `duration` and `relevant_windows` in seconds; windows are empty where a data set has none (test splits, TVSum).
    `saliency_scores` has one row of raters per clip of `relevant_clip_ids`. `tags` name the groups of a breakdown
    (TVSum's domain, the synthetic set's difficulties).
    """

    qid: int | str
    query: str
    vid: str
    duration: float
    relevant_windows: Windows = ()
    relevant_clip_ids: tuple[int, ...] | None = None
    saliency_scores: tuple[tuple[float, ...], ...] | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What a model answers: windows (start s, end s, score) best first, and one saliency score per clip."""

    qid: int | str
    query: str
    vid: str
    pred_relevant_windows: tuple[tuple[float, float, float], ...]
    pred_saliency_scores: tuple[float, ...] = ()


_TENSORS = ("video", "video_mask", "text", "text_mask", "foreground", "boundaries", "saliency")


@dataclass(frozen=True)
class Batch:
    """B queries padded to the longest video (L clips) and text (N tokens); padding is zero and masked.

    video (B, L, Dv) f32, video_mask (B, L) bool, text (B, N, Dt) f32, text_mask (B, N) bool, True where real. With K
    feature layers and P patches video is (B, L, K, P, Dv) and text (B, N, K, Dt).
    Targets: foreground (B, L) bool, boundaries (B, L, 2) f32 in clips, saliency (B, L) f32 (see `data.targets`).
    """

    queries: tuple[Query, ...]
    video: "Tensor"
    video_mask: "Tensor"
    text: "Tensor"
    text_mask: "Tensor"
    clip_length: float
    foreground: "Tensor"
    boundaries: "Tensor"
    saliency: "Tensor"

    def __len__(self) -> int:
        return len(self.queries)

    def rows(self, first: int, stop: int) -> "Batch":
        """The queries [first, stop), padded as the whole batch is."""
        parts = {name: getattr(self, name)[first:stop] for name in _TENSORS}
        return replace(self, queries=self.queries[first:stop], **parts)

    def to(self, device: "torch.device | str") -> "Batch":
        """The same batch with every tensor on `device`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: v.to(device) for n, v in values.items() if n in _TENSORS})
