"""The last K layers of a local CLIP, patches and tokens kept, as `layered` reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnvtg.data.live_text import clip_text
from snnvtg.data.raw_video import ClipImages
from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.records import Query


class ClipImageLayers(ClipImages):
    """Hidden states of CLIP's last image layers, before its last norm and projection: the class token, then patches."""

    def __init__(self, folder: Path | str, num_layers: int, device: str = "cpu"):
        super().__init__(folder, device)
        check_depth(num_layers, self.model.config.num_hidden_layers, folder)
        self.num_layers, self.width = num_layers, self.model.config.hidden_size

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """frames (H, W, 3) uint8 -> (len(frames), K, 1 + patches, width) float16."""
        states = self.model(pixel_values=self.pixels(frames), output_hidden_states=True).hidden_states
        return half(states, self.num_layers)


class ClipTokenLayers:
    """Hidden states of CLIP's last text layers, before its last norm, of every position the tokeniser makes."""

    def __init__(self, folder: Path | str, num_layers: int):
        self.text, self.num_layers = clip_text(folder), num_layers
        check_depth(num_layers, self.text.model.config.num_hidden_layers, folder)

    @torch.inference_mode()
    def __call__(self, query: Query) -> np.ndarray:
        """Token features (N, K, width) float16."""
        ids = self.text.token_ids(query.query, f"qid {query.qid}")
        return half(self.text.model(**ids, output_hidden_states=True).hidden_states, self.num_layers)[0].swapaxes(0, 1)


def half(states: Sequence[Tensor], num_layers: int) -> np.ndarray:
    """The last of `states`, each (B, M, C), as (B, K, M, C) float16; InputError where a number does not fit."""
    stacked = torch.stack(tuple(states[-num_layers:]), 1).half()
    if not torch.isfinite(stacked).all():
        raise InputError("hidden states beyond half precision or NaN; check the weights of the CLIP folder")
    return stacked.cpu().numpy()


def check_depth(num_layers: int, depth: int, folder: Path | str) -> None:
    """InputError unless a model of `depth` layers has the last `num_layers`."""
    if not 1 <= num_layers <= depth:
        raise InputError(f"layers: expected a number from 1 to {depth}, the layers of {folder}, got {num_layers}")


def write_layers(features: np.ndarray, path: Path) -> None:
    """Write an .npy in half precision, atomically."""
    with atomic(path) as scratch:
        np.save(scratch, features.astype(np.float16))
