"""Rows of one feature file of any length, read a slice at a time, so that memory does not grow with the video."""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnvtg.data.features import FLOW, RGB, SUFFIXES, check_finite_rows
from snnvtg.data.hdf5 import is_hdf5, read_dataset
from snnvtg.errors import InputError


@dataclass(frozen=True)
class FeatureRows:
    """`read(start, stop)` gives float32 (stop − start, width) as stored, finite, else InputError naming the file."""

    num_clips: int
    width: int
    read: Callable[[int, int], np.ndarray]


def open_rows(path: Path) -> FeatureRows:
    """The rows of an .npy (memory-mapped), an .npz (key `features`, unpacked to a temporary file, then the same), or a
    data set of an HDF5 file (read whole). InputError names a file that is missing, damaged, empty or of another shape.
    """
    flow = path.with_name(path.name.removesuffix(RGB) + FLOW)
    if path.name.endswith(RGB) and flow.is_file():
        return _beside(_mapped(path), _mapped(flow))
    return _mapped(path)


def _mapped(path: Path) -> FeatureRows:
    array = read_dataset(path.parent, path.name) if is_hdf5(path.parent) else _map(path)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: does not hold an array of real numbers; extract or copy it again")
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{path}: features of shape {array.shape}; expected (clips, width); extract them again")
    return FeatureRows(*array.shape, lambda start, stop: check_finite_rows(array[start:stop], path, start))


def _beside(first: FeatureRows, second: FeatureRows) -> FeatureRows:
    """Two files of one backbone, cut to the shorter."""
    return FeatureRows(
        min(first.num_clips, second.num_clips),
        first.width + second.width,
        lambda start, stop: np.concatenate([first.read(start, stop), second.read(start, stop)], axis=1),
    )


def _map(path: Path) -> np.ndarray:
    if path.is_file() and path.suffix not in SUFFIXES:
        raise InputError(f"{path}: no feature file by its name; expected an .npz or .npy file")
    try:
        with path.open("rb") as file:
            if path.suffix == ".npz":
                return _unpacked(file, path)
        return _plain(np.load(path, mmap_mode="r", allow_pickle=False))
    except InputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); expected an .npz or .npy file") from None
    except Exception as error:  # zlib.error, BadZipFile, and what a damaged header makes numpy's parser raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or not an {path.suffix} file ({said}); extract or copy it again") from None


def _unpacked(file: io.BufferedReader, path: Path) -> np.ndarray:
    with zipfile.ZipFile(file) as archive:
        if "features.npy" not in archive.namelist():
            keys = ", ".join(name.removesuffix(".npy") for name in archive.namelist()) or "none"
            raise InputError(f"{path}: no key 'features'; keys there: {keys}")
        # the mapping keeps the unlinked file alive
        with archive.open("features.npy") as packed, tempfile.NamedTemporaryFile(suffix=".npy") as scratch:
            shutil.copyfileobj(packed, scratch)
            scratch.flush()
            return _plain(np.load(scratch.name, mmap_mode="r", allow_pickle=False))


def _plain(loaded: np.ndarray) -> np.ndarray:
    if not isinstance(loaded, np.ndarray):
        raise ValueError("an archive under another name")
    return loaded
