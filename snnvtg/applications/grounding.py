"""One raw query on one video's feature files, of any length, with a trained model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from snnvtg.data import Example, collate
from snnvtg.data.feature_rows import FeatureRows, open_rows
from snnvtg.data.features import join_backbones, normalise
from snnvtg.data.sliding import window_starts, windowed_batches
from snnvtg.data.text import TextEncoder
from snnvtg.errors import InputError
from snnvtg.instrumentation import Rasters
from snnvtg.metrics.merging import merge_predictions
from snnvtg.models import GroundingModel
from snnvtg.records import Prediction, Query
from snnvtg.training.checkpoint import Checkpoint

WINDOW = 128
"""clips of a window where the checkpoint does not say how long its videos were"""


@dataclass(frozen=True)
class Answer:
    """What a model says, and the spikes of the layers it shows: title → (T, L, C), empty without such layers.

    The spikes are those of the L clips from clip `first` on: the whole video, or the window around the best moment.
    """

    prediction: Prediction
    spikes: dict[str, np.ndarray]
    first: int
    num_clips: int


@dataclass(frozen=True)
class Video:
    """One video's backbones in the order of training, on disk until read."""

    parts: tuple[FeatureRows, ...]

    @property
    def num_clips(self) -> int:
        """Clips that every backbone has."""
        return min(part.num_clips for part in self.parts)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Clips start to stop (stop − start, D₁ + D₂ + …) float32, each backbone normalised, no time endpoints."""
        return np.concatenate([normalise(part.read(start, stop)) for part in self.parts], axis=1)


def open_video(named: Sequence[str], checkpoint: Checkpoint, place: Path) -> Video:
    """One video as `checkpoint` (of the file `place`) knows them.

    `named`: feature files, one per backbone, each as PATH or NAME=PATH. The names must be the checkpoint's, in its
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
    video = Video(tuple(open_rows(path) for _, path in parts))
    width = sum(part.width for part in video.parts)
    if width != checkpoint.video_width - 2:
        files = " + ".join(str(path) for _, path in parts)
        raise InputError(
            f"{files}: {width} features per clip, {place} was trained with {checkpoint.video_width - 2} "
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
    """Token features (N, Dt) of the query, refused where the encoder is not the checkpoint's."""
    if encoder.width != checkpoint.text_width:
        raise InputError(
            f"text {encoder.name}: {encoder.width} features a token, {place} was trained with {checkpoint.text_width}; "
            "name the encoder it was trained with"
        )
    checkpoint.require_text(encoder.name, encoder.marks, place)
    return encoder(query)


@torch.inference_mode()
def answer(
    model: GroundingModel, query: Query, video: Video, text: np.ndarray, clip_length: float, window: int
) -> Answer:
    """Ground one query: text (N, Dt), clip_length in seconds.

    A video of more than `window` clips is read in windows that share half with the next, one batch of them at a time.
    """
    if window < 2:
        raise InputError(f"window is {window} clips; expected at least 2")
    if video.num_clips <= window:
        return _answer_whole(model, query, video.read(0, video.num_clips), text, clip_length)
    parts = _answer_parts(model, query, video, text, clip_length, window)
    merged = merge_predictions(parts, clip_length=clip_length, num_clips=video.num_clips)
    start, end, _ = merged.pred_relevant_windows[0]
    middle = (start + end) / 2 / clip_length
    # the window in whose middle the best moment lies
    first = min(window_starts(video.num_clips, window, window // 2), key=lambda s: abs(s + window / 2 - middle))
    shown = replace(query, duration=window * clip_length)
    raster = _answer_whole(model, shown, video.read(first, first + window), text, clip_length)
    return Answer(merged, raster.spikes, first, window)


def _answer_parts(
    model: GroundingModel, query: Query, video: Video, text: np.ndarray, clip_length: float, window: int
) -> Iterator[tuple[int, Prediction]]:
    """(first clip, prediction) of each window."""
    sizes = {"size": window, "overlap": window // 2}
    for starts, batch in windowed_batches(query, text, video.read, video.num_clips, clip_length, **sizes):
        output = model(batch)
        yield from zip(starts, model.predict(output, batch), strict=True)


def _answer_whole(
    model: GroundingModel, query: Query, rows: np.ndarray, text: np.ndarray, clip_length: float
) -> Answer:
    video = join_backbones([rows])
    batch = collate([Example(query, video, text)], clip_length)
    layers = model.spike_layers()
    with Rasters(model, tuple(layers)) as rasters:
        output = model(batch)
    spikes = {}
    for name, layer in layers.items():
        spikes[layer.title] = rasters[name][0][:, 0, layer.first_clip : layer.first_clip + len(video)].numpy()
    return Answer(model.predict(output, batch)[0], spikes, 0, len(video))
