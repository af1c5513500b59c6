"""Arithmetic of temporal intervals: a *window* is (start s, end s), a *span* the same as fractions 0…1 of the video.

The functions of operators alone (`window_to_span`, `centre_width`, …) take numpy arrays and torch tensors alike;
the IoU functions are numpy's, for metrics.
"""

from typing import TypeVar

import numpy as np

Array = TypeVar("Array")  # np.ndarray or torch.Tensor


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


def aligned_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of intervals pair by pair, shapes (…, 2) that broadcast → (…,); an empty or NaN interval gives 0."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    overlap = np.minimum(first[..., 1], second[..., 1]) - np.maximum(first[..., 0], second[..., 0])
    # what both cover together is the union where they meet; where they do not, the overlap of 0 decides
    hull = np.maximum(first[..., 1], second[..., 1]) - np.minimum(first[..., 0], second[..., 0])
    positive = (hull > 0) & (overlap > 0)
    return np.where(positive, overlap / np.where(positive, hull, 1.0), 0.0)


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of every interval of `first` (M, 2) with every one of `second` (N, 2) → (M, N)."""
    first, second = np.asarray(first).reshape(-1, 2), np.asarray(second).reshape(-1, 2)
    return aligned_iou(first[:, None], second[None])
