"""Non-maximum suppression of windows."""

import numpy as np


def nms(windows: np.ndarray, threshold: float, most: int | None = None) -> np.ndarray:
    """Windows (K, 3) of (start, end, score) → those kept (K', 3), best first, the first `most` of them.

    A window is dropped where its IoU with a better kept one is above `threshold` (equal stays); windows of one score
    keep their order. Memory is linear in K.
    """
    windows = np.asarray(windows, dtype=np.float64).reshape(-1, 3)
    ordered = windows[np.argsort(-windows[:, 2], kind="stable")]
    start, end = ordered[:, 0], ordered[:, 1]
    free = np.ones(len(ordered), dtype=bool)
    kept: list[int] = []
    for index in range(len(ordered)):
        if len(kept) == most:
            break
        if free[index]:
            kept.append(index)
            overlap = np.minimum(end, end[index]) - np.maximum(start, start[index])
            hull = np.maximum(end, end[index]) - np.minimum(start, start[index])
            # IoU > threshold, without dividing by an empty hull
            free &= (overlap <= threshold * hull) | (overlap <= 0)
    return ordered[kept]
