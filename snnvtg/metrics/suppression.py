"""Non-maximum suppression of windows."""

import numpy as np

from snnvtg.spans import pairwise_iou


def nms(windows: np.ndarray, threshold: float) -> np.ndarray:
    """Windows (K, 3) of (start, end, score) → those kept (K', 3), best first.

    A window is dropped where its IoU with a better kept one is above `threshold` (equal stays); windows of one score
    keep their order.
    """
    windows = np.asarray(windows, dtype=np.float64).reshape(-1, 3)
    ordered = windows[np.argsort(-windows[:, 2], kind="stable")]
    too_close = pairwise_iou(ordered[:, :2], ordered[:, :2]) > threshold
    kept: list[int] = []
    free = np.ones(len(ordered), dtype=bool)
    for index in range(len(ordered)):
        if free[index]:
            kept.append(index)
            free &= ~too_close[index]
    return ordered[kept]
