"""Video files become clip features: frames through PyAV, image features through a local CLIP."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from snnvtg.data.extras import require
from snnvtg.data.live_text import load_pretrained, model_folder
from snnvtg.errors import InputError, first_line
from snnvtg.files import atomic

WHAT = "reading raw video"


def clip_frames(path: Path, clip_length: float) -> Iterator[np.ndarray]:
    """One frame (H, W, 3) uint8 RGB per clip of `clip_length` seconds: the one on screen at the middle of the clip.

    A clip whose middle is past the end of the video is left out, except the first: a video has at least one.
    Frames are decoded one after the other, so memory does not grow with the video.
    """
    av = require("av", "video", WHAT)
    if not 0 < clip_length < float("inf"):
        raise InputError(f"clip_length is {clip_length}; expected seconds above 0")
    if not path.is_file():
        raise InputError(f"{path}: no such video")
    shown, first, end, clip = None, 0.0, 0.0, 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path}: no video stream in it; name a video file")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            usual = 1 / float(stream.average_rate) if stream.average_rate else 0.0
            for frame in container.decode(stream):
                time = end if frame.time is None else frame.time
                if shown is None:
                    first = time
                    refuse_rotated(frame.rotation, path)
                while shown is not None and (clip + 0.5) * clip_length < time - first:
                    yield shown.to_ndarray(format="rgb24")
                    clip += 1
                shown, end = frame, time + usual
            while shown is not None and (clip == 0 or (clip + 0.5) * clip_length < end - first):
                yield shown.to_ndarray(format="rgb24")
                clip += 1
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be decoded ({first_line(error)}); copy it again or re-encode it") from None
    if shown is None:
        raise InputError(f"{path}: no frame in it; copy it again")


def refuse_rotated(degrees: int, path: Path) -> None:
    """InputError for a video that players rotate, as phones record them: features would be of a picture on its side."""
    if degrees % 360:
        raise InputError(f"{path}: to be turned by {degrees}° when shown; re-encode it upright: ffmpeg -i IN OUT")


class ClipImages:
    """CLIP's image features (projected, not normalised: reading a feature folder does that) from a local folder."""

    def __init__(self, folder: Path | str, device: str = "cpu"):
        what = "the image encoder clip"
        transformers = require("transformers", "video", what)
        folder = model_folder(folder, what)
        self.model: nn.Module = load_pretrained(transformers.CLIPVisionModelWithProjection, folder).to(device)
        self.width: int = self.model.config.projection_dim
        self.size: int = self.model.config.image_size
        self.mean, self.deviation = (value.to(device) for value in colour_statistics(folder))
        self.device = device

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """frames (H, W, 3) uint8 -> (len(frames), width) float32."""
        return self.model(pixel_values=self.pixels(frames)).image_embeds.float().cpu().numpy()

    def pixels(self, frames: Sequence[np.ndarray]) -> Tensor:
        """frames (H, W, 3) uint8 -> CLIP's input (len(frames), 3, size, size)."""
        cropped = torch.from_numpy(np.stack([square(frame, self.size) for frame in frames])).to(self.device)
        return (cropped.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation


def square(frame: np.ndarray, size: int) -> np.ndarray:
    """CLIP's crop (size, size, 3) uint8: shorter side to `size`, bicubic, then the middle square."""
    image_library = require("PIL.Image", "video", WHAT)
    height, width = frame.shape[:2]
    scale = size / min(height, width)
    resized = (max(size, int(width * scale)), max(size, int(height * scale)))
    image = image_library.fromarray(frame).resize(resized, image_library.Resampling.BICUBIC)
    left, top = (resized[0] - size) // 2, (resized[1] - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def colour_statistics(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation (3, 1, 1) of the colours, from preprocessor_config.json of a CLIP folder."""
    path = folder / "preprocessor_config.json"
    try:
        content = json.loads(path.read_text())
        mean, deviation = (torch.tensor(content[key]).float().view(3, 1, 1) for key in ("image_mean", "image_std"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: no image_mean and image_std of 3 numbers ({first_line(error)}); copy it") from None
    if not (deviation > 0).all():
        raise InputError(f"{path}: image_std is {deviation.flatten().tolist()}; expected them above 0; copy it again")
    return mean, deviation


def video_features(path: Path, encoder: ClipImages, clip_length: float, batch_size: int = 32) -> np.ndarray:
    """Features of a video file, one row of what `encoder` gives per clip: (L, width) float32 of ClipImages."""
    frames = clip_frames(path, clip_length)
    rows = []
    while batch := list(islice(frames, batch_size)):
        rows.append(encoder(batch))
    return np.concatenate(rows)


def write_features(features: np.ndarray, path: Path) -> None:
    """Write {vid}.npz with key `features`, atomically."""
    with atomic(path) as scratch:
        np.savez(scratch, features=features)
