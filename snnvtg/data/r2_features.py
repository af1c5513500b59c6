"""R²-Tuning's feature files, K layers of CLIP in half precision, reduced to the plain layout.

R² writes {vid}.npy (L, K, P, C), the last K layers with the class token first of P, and {qid}.npy (N, K, C). The model
`r2_tuning` reads all layers and patches where they lie (see `layered`). What is kept here, the last layer's class token
and the last layer's text tokens, is for models of one layer: one row per clip, as the other toolkits store it, though
before CLIP's last norm and projection.
"""

from pathlib import Path

import numpy as np

from snnvtg.data.layered import TEXT_AXES, VIDEO_AXES, read_layers


def last_layer_cls(path: Path) -> np.ndarray:
    """Class token of the last layer (L, C) float32 of a video file (L, K, P, C)."""
    return read_layers(path, VIDEO_AXES)[:, -1, 0]


def last_layer_tokens(path: Path) -> np.ndarray:
    """Tokens of the last layer (N, C) float32 of a query file (N, K, C)."""
    return read_layers(path, TEXT_AXES)[:, -1]
