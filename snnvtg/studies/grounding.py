"""One raw query on one video's feature files, with a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from snnvtg.data import Example, collate
from snnvtg.data.features import join_backbones, normalise, read_features
from snnvtg.data.text import TextEncoder
from snnvtg.errors import InputError
from snnvtg.instrumentation import Rasters
from snnvtg.models import SpikeMba
from snnvtg.models.output import predict
from snnvtg.records import Prediction, Query
from snnvtg.training.checkpoint import Checkpoint

LIF_LAYERS = {"q_lif": "queries", "k_lif": "keys", "v_lif": "values", "out_lif": "saliency proposals"}
"""the neurons of a saliency detector and what they spike for"""


@dataclass(frozen=True)
class Answer:
    """What a model says, and the spikes of its last block: layer → (T, L, C), empty without a detector."""

    prediction: Prediction
    spikes: dict[str, np.ndarray]


def read_video(named: Sequence[str], checkpoint: Checkpoint, place: Path) -> np.ndarray:
    """Features (L, Dv) of one video as `checkpoint` (of the file `place`) knows them.

    `named`: feature files, one a backbone, each as PATH or NAME=PATH. The names must be the checkpoint's, in its
    order; a PATH alone goes by the name of its folder, or by the checkpoint's own name where it has one backbone.
    """
    wanted = checkpoint.feature_names
    parts = [name_and_path(entry, wanted) for entry in named]
    names = tuple(name for name, _ in parts)
    if names != wanted:
        raise InputError(
            f"{place}: was trained on {' + '.join(wanted)}, the features given are {' + '.join(names) or 'none'}; "
            f"give them as {' '.join(f'{name}=FILE.npz' for name in wanted)}"
        )
    video = join_backbones([normalise(read_features(path)) for _, path in parts])
    if video.shape[1] != checkpoint.video_width:
        files = " + ".join(str(path) for _, path in parts)
        raise InputError(
            f"{files}: {video.shape[1] - 2} features a clip, {place} was trained with {checkpoint.video_width - 2} "
            f"({' + '.join(wanted)}); extract them with the same backbones"
        )
    return video


def name_and_path(entry: str, wanted: tuple[str, ...]) -> tuple[str, Path]:
    """NAME=PATH or PATH as (name of the backbone, path)."""
    name, equals, rest = entry.partition("=")
    if equals and "/" not in name:
        return name, Path(rest)
    path = Path(entry)
    return (wanted[0] if len(wanted) == 1 else path.absolute().parent.name), path


def encode_query(encoder: TextEncoder, query: Query, checkpoint: Checkpoint, place: Path) -> np.ndarray:
    """Token features (N, Dt) of the query, refused where their width is not the checkpoint's."""
    if encoder.width != checkpoint.text_width:
        raise InputError(
            f"text {encoder.name}: {encoder.width} features a token, {place} was trained with {checkpoint.text_width}; "
            "name the encoder it was trained with"
        )
    return encoder(query)


@torch.inference_mode()
def answer(model: nn.Module, query: Query, video: np.ndarray, text: np.ndarray, clip_length: float) -> Answer:
    """Ground one query: video (L, Dv), text (N, Dt), clip_length in seconds."""
    batch = collate([Example(query, video, text)], clip_length)
    layers = detector_layers(model)
    with Rasters(model, tuple(layers)) as rasters:
        output = model(batch)
    spikes = {}
    for name, title in layers.items():
        # the layers also see the relevant slots, which are no clips
        first = model.config.num_slots if model.config.slot_position == "prefix" else 0
        spikes[title] = rasters[name][0][:, 0, first : first + len(video)].numpy()
    return Answer(predict(output, batch, model.config.decoding)[0], spikes)


def detector_layers(model: nn.Module) -> dict[str, str]:
    """Names of the LIF layers of the last block's saliency detector → what to call them; empty without one."""
    if not isinstance(model, SpikeMba) or not model.config.use_ssd:
        return {}
    last = len(model.blocks) - 1
    return {f"blocks.{last}.ssd.{layer}": f"block {last + 1}, {words}" for layer, words in LIF_LAYERS.items()}
