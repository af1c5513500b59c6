"""R²-Tuning's feature files, K layers of CLIP in half precision, reduced to the plain layout.

R² writes {vid}.npy (L, K, P, C), the last K layers with the class token first of P, and {qid}.npy (N, K, C). Its own
model reads all layers and patches. What is kept here, the last layer's class token and the last layer's text tokens,
is the degenerate form: one row per clip, as the other toolkits store it, though before CLIP's last norm and projection.
"""

from pathlib import Path

import numpy as np

from snnvtg.data.features import check_finite_rows, read_array
from snnvtg.errors import InputError


def last_layer_cls(path: Path) -> np.ndarray:
    """Class token of the last layer (L, C) float32 of a video file (L, K, P, C)."""
    return _read(path, 4, "(clips, layers, 1 + patches, width)")[:, -1, 0]


def last_layer_tokens(path: Path) -> np.ndarray:
    """Tokens of the last layer (N, C) float32 of a query file (N, K, C)."""
    return _read(path, 3, "(tokens, layers, width)")[:, -1]


def _read(path: Path, dimensions: int, expected: str) -> np.ndarray:
    array = read_array(path, "features")
    if array.ndim != dimensions or 0 in array.shape:
        raise InputError(f"{path}: shape {array.shape}; expected R²'s {expected}; name R²'s own folder")
    flat = check_finite_rows(array.reshape(len(array), -1), path)
    return flat.reshape(array.shape)
