"""Features kept in one HDF5 file, a data set or a group of one per video, as 2D-TAN stores C3D; needs h5py."""

from pathlib import Path

import numpy as np

from snnvtg.data.arrays import MOST_ROWS, Header, check_size
from snnvtg.errors import InputError

SUFFIXES = (".h5", ".hdf5")
# what h5py raises on a file with flipped bytes
DAMAGE = (KeyError, OSError, ValueError, TypeError, RuntimeError, MemoryError, AttributeError)


def is_hdf5(path: Path) -> bool:
    """Whether a path names an HDF5 file, by its suffix."""
    return path.suffix in SUFFIXES


def holds(file: Path, vid: str) -> bool:
    """Whether `file` has features of `vid`; InputError where it cannot be opened."""
    with _open(file) as content:
        try:
            return vid in content
        except DAMAGE as error:
            raise InputError(f"{file}: damaged ({_line(error)}); copy the file again") from None


def read_dataset(file: Path, vid: str, rows: int = MOST_ROWS) -> np.ndarray:
    """The array of `vid`: its data set, or the only one in its group. InputError where it cannot be read.

    `rows`: the most that the video can have; a data set that says it has more is not read.
    """
    place = f"{file}/{vid}"
    with _open(file) as content:
        try:
            node = content[vid]
            if hasattr(node, "keys"):
                names = list(node.keys())
                if len(names) != 1:
                    raise InputError(f"{place}: {len(names)} data sets ({', '.join(names) or 'none'}); expected one")
                node = node[names[0]]
            check_size(Header(node.shape, node.dtype, fortran=False), place, rows, node.id.get_storage_size())
            return np.asarray(node[()])
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(f"{place}: damaged or not an array ({_line(error)}); copy the file again") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _open(file: Path):
    try:
        import h5py
    except ImportError:
        raise InputError(f"{file}: HDF5 needs h5py, which is not installed; run: pip install h5py") from None
    try:
        return h5py.File(file, "r")
    except DAMAGE as error:
        raise InputError(f"{file}: damaged or not an HDF5 file ({_line(error)}); copy it again") from None
