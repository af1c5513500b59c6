"""Video features as the field stores them: per backbone a folder of `{vid}.npz` (key `features`) or `.npy`, or HDF5."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snnvtg.data.arrays import MOST_ROWS, read_array
from snnvtg.data.hdf5 import holds, is_hdf5, read_dataset
from snnvtg.errors import InputError

SUFFIXES = (".npz", ".npy")
RGB, FLOW = "_rgb.npy", "_opt.npy"


def load_video(vid: str, folders: Sequence[Path]) -> np.ndarray:
    """Features (L, Dv) float32 of one video from all its backbones, in the order of `folders`.

    Each backbone is divided by (norm + 1e-5) clip by clip, all are cut to the shortest and concatenated; the two
    time-endpoint features i/L and (i+1)/L come last.
    """
    parts = [normalise(read_features(feature_file(folder, vid))) for folder in folders]
    return join_backbones(parts)


def join_backbones(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Cut to the shortest, concatenate (L, D₁ + D₂ + …) and append the time-endpoint features."""
    num_clips = min(len(part) for part in parts)
    return np.concatenate([*(part[:num_clips] for part in parts), time_endpoints(num_clips)], axis=1)


def normalise(features: np.ndarray) -> np.ndarray:
    """Each row (L, D) divided by its L2 norm + 1e-5, float32."""
    return features / (np.linalg.norm(features, axis=1, keepdims=True) + np.float32(1e-5))


ENDPOINTS = 2
"""the last features of a clip, which say where in the video it is"""


def time_endpoints(num_clips: int) -> np.ndarray:
    """Where each clip starts and ends as fractions of the video: i/L and (i+1)/L, (L, 2) float32."""
    start = np.arange(num_clips, dtype=np.float32) / num_clips
    return np.stack([start, start + np.float32(1 / num_clips)], axis=1)


def feature_file(folder: Path, vid: str) -> Path:
    """The file of `vid` in `folder`, or its place in an HDF5 file; InputError where either is missing.

    Where TVSum's I3D features are in two files, {vid}_rgb.npy and {vid}_opt.npy, the first stands for both.
    """
    check_file_name(vid, "vid", folder)
    if is_hdf5(folder) and folder.is_file():
        if holds(folder, vid):
            return folder / vid
        raise InputError(f"{folder}: no features of {vid} in it; extract them or drop its queries")
    for suffix in SUFFIXES:
        path = folder / f"{vid}{suffix}"
        if path.is_file():
            return path
    colour, flow = folder / f"{vid}{RGB}", folder / f"{vid}{FLOW}"
    if colour.is_file():
        if not flow.is_file():
            raise InputError(f"{flow}: no such file; {colour.name} is half of the features of {vid}, copy the other")
        return colour
    check_source(folder)
    raise InputError(f"{folder}/{vid}.npz: no such file (nor .npy); extract the features of {vid} or drop its queries")


def check_file_name(name: str, what: str, folder: Path) -> None:
    """InputError unless a vid or qid can be the name of a file in `folder`, and of none elsewhere."""
    long = len(name.encode(errors="replace")) > 200
    if long or "/" in name or "\\" in name or "\0" in name or name in {"", ".", ".."}:
        shown = name if len(name) <= 40 else name[:37] + "…"
        raise InputError(f"{what} {shown!r} is no file name, so no features are in {folder}; correct the annotations")


def check_source(folder: Path) -> None:
    """InputError unless `folder` is a feature folder or an HDF5 file."""
    if not folder.is_dir() and not (is_hdf5(folder) and folder.is_file()):
        kind = "file" if is_hdf5(folder) else "folder"
        raise InputError(f"{folder}: no such {kind}; expected features, one {{vid}}.npz or .npy per video, or HDF5")


def read_features(path: Path, rows: int = MOST_ROWS) -> np.ndarray:
    """One file's features (L, D) float32; L, D > 0 and every number finite, else InputError naming the file.

    `rows`: the most that the video can have (`arrays.most_rows`); a file that says it has more is not read.
    """
    flow = path.with_name(path.name.removesuffix(RGB) + FLOW)
    if path.name.endswith(RGB) and flow.is_file():
        # one backbone in two files: joined first, normalised as one
        halves = [_checked(read_array(half, "features", rows=rows), half) for half in (path, flow)]
        return np.concatenate([half[: min(map(len, halves))] for half in halves], axis=1)
    if is_hdf5(path.parent):
        return _checked(read_dataset(path.parent, path.name, rows), path)
    return _checked(read_array(path, "features", rows=rows), path)


def _checked(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: does not hold an array of real numbers; extract or copy it again")
    if array.ndim != 2:
        raise InputError(f"{path}: features of shape {array.shape}; expected (clips, width); extract them again")
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise InputError(f"{path}: an empty video, shape {array.shape}; extract it again or drop its queries")
    return check_finite_rows(array, path)


def check_finite_rows(array: np.ndarray, path: Path, first: int = 0) -> np.ndarray:
    """`array` (L, D) as float32; InputError names the file and the first row, from `first` on, that is not finite."""
    # float64 values beyond float32 become inf here and are caught just below
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        row = first + int(np.argmin(finite))
        raise InputError(f"{path}: NaN or infinite features, first in row {row}; extract it again or drop its queries")
    return array


def check_widths(widths: dict[str, tuple[int, Path]]) -> None:
    """InputError where one video's width differs from the others'; `widths` is vid → (width, file)."""
    counts: dict[int, int] = {}
    for width, _ in widths.values():
        counts[width] = counts.get(width, 0) + 1
    common = max(counts, key=lambda width: counts[width])
    for width, path in widths.values():
        if width != common:
            raise InputError(
                f"{path}: width {width}; the other videos have {common}; extract it with the same backbone"
            )
