"""Rows of one feature file of any length, read a slice at a time, so that memory does not grow with the video."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnvtg.data.arrays import MOST_ROWS, Header, check_size, copy_numbers, opened
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
    with opened(path, "features") as (header, file, stored):
        check_size(header, path, MOST_ROWS, stored)
        if path.suffix == ".npy":
            return _memory_map(path, header, file.tell())
        # the mapping keeps the unlinked file alive
        with tempfile.NamedTemporaryFile(suffix=".npy") as scratch:
            copy_numbers(file, header, scratch)
            scratch.flush()
            return _memory_map(Path(scratch.name), header, 0)


def _memory_map(path: Path, header: Header, offset: int) -> np.ndarray:
    order = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "r", offset, header.shape, order) if header.nbytes else np.empty(header.shape)
