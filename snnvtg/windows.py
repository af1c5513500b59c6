"""Arithmetic of temporal intervals: a *window* is (start s, end s), a *span* the same as fractions 0…1 of the video.

Arrays are numpy's or torch's, and the answer is of the same kind; `clamp_windows` is numpy's alone.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def window_to_span(windows: Array, duration: float | Array) -> Array:
    """Seconds (…, 2) → fractions of `duration` (s)."""
    return windows / duration


def span_to_window(spans: Array, duration: float | Array) -> Array:
    """Fractions 0…1 (…, 2) → seconds of a video of `duration` s."""
    return spans * duration


def centre_width(intervals: Array) -> tuple[Array, Array]:
    """(start, end) in (…, 2) → centre (start + end)/2 and width end − start, each (…,)."""
    start, end = intervals[..., 0], intervals[..., 1]
    return (start + end) / 2, end - start


def start_end(centre: Array, width: Array) -> tuple[Array, Array]:
    """Centre and width, each (…,) → start and end, each (…,); the inverse of `centre_width`."""
    return centre - width / 2, centre + width / 2


def clip_centres(num_clips: int, clip_length: float) -> np.ndarray:
    """Centres in seconds of `num_clips` clips of `clip_length` s: (i + 0.5)·clip_length, shape (L,)."""
    return (np.arange(num_clips) + 0.5) * clip_length


def clips_to_windows(distances: Array, centres: Array, clip_length: float) -> Array:
    """Per-clip distances (…, L, 2) in clips from the centres (L,) in s → windows in s, (…, L, 2), not clamped.

    The inverse of the `boundaries` target: window i is (c_i − d_s·clip_length, c_i + d_e·clip_length).
    """
    windows = distances * clip_length
    windows[..., 0] = centres - windows[..., 0]
    windows[..., 1] = centres + windows[..., 1]
    return windows


def clamp_windows(windows: np.ndarray, duration: float | np.ndarray) -> np.ndarray:
    """Windows (…, 2) in s cut to [0, duration]; a start above its end is set to the end."""
    windows = np.clip(windows, 0.0, np.asarray(duration, dtype=float)[..., None])
    windows[..., 0] = np.minimum(windows[..., 0], windows[..., 1])
    return windows


def aligned_iou(first: Array, second: Array) -> Array:
    """IoU of intervals pair by pair, shapes (…, 2) that broadcast → (…,); an empty or NaN interval gives 0.

    Numpy's in float64, torch's in their own precision.
    """
    if isinstance(first, Tensor):
        return _iou(first, second)
    return _iou(*(torch.from_numpy(np.asarray(part, dtype=np.float64)) for part in (first, second))).numpy()


def pairwise_iou(first: Array, second: Array) -> Array:
    """IoU of every interval of `first` (M, 2) with every one of `second` (N, 2) → (M, N), as `aligned_iou`."""
    if isinstance(first, Tensor):
        return _iou(first[:, None], second)
    return aligned_iou(np.asarray(first).reshape(-1, 1, 2), np.asarray(second).reshape(-1, 2))


def _iou(first: Tensor, second: Tensor) -> Tensor:
    overlap = torch.minimum(first[..., 1], second[..., 1]) - torch.maximum(first[..., 0], second[..., 0])
    # what both cover together is the union where they meet; where they do not, the overlap of 0 decides
    hull = torch.maximum(first[..., 1], second[..., 1]) - torch.minimum(first[..., 0], second[..., 0])
    positive = (hull > 0) & (overlap > 0)
    return torch.where(positive, overlap / torch.where(positive, hull, 1.0), 0.0)
