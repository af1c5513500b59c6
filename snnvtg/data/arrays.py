"""Arrays in .npy and .npz files: the header says how large they are, and is believed only where that can be.

A packed archive of a few megabytes may say, and hold, gigabytes. Its shape is read first, compared with the video it is
for, and no more is unpacked than it says.
"""

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from snnvtg.errors import InputError, first_line

MOST_ROWS_PER_SECOND = 120
"""more than a row for every frame belongs to no video"""
MOST_ROWS = 2_000_000
"""rows where nobody says how long the video is: four hours at that rate, weeks at a row a second"""
SMALL, MOST_PACKED = 2**26, 100
"""bytes that are always unpacked, and times the packed size beyond them: real features hardly pack at all"""


@dataclass(frozen=True)
class Header:
    """What a file says it holds."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def most_rows(duration: float | None) -> int:
    """Rows that features of a video of so many seconds have at the most; None: of any video."""
    return MOST_ROWS if duration is None else math.ceil(duration * MOST_ROWS_PER_SECOND) + 100


def check_size(header: Header, place: Any, rows: int, stored: int) -> None:
    """InputError unless an array of this header, `stored` bytes on disk, can be features of at most `rows` rows."""
    if header.dtype.kind not in "fiu":
        raise InputError(f"{place}: does not hold an array of real numbers; extract or copy it again")
    if header.shape and header.shape[0] > rows:
        raise InputError(
            f"{place}: {header.shape[0]:,} rows, shape {header.shape}; a video of its length has at most {rows:,}; "
            "extract it again or correct its duration"
        )
    if header.nbytes > max(SMALL, MOST_PACKED * stored):
        raise InputError(
            f"{place}: {stored:,} bytes that unpack to {header.nbytes:,}, shape {header.shape}; no features pack like "
            "that, extract it again"
        )


def read_header(file: BinaryIO) -> Header:
    """The header of an .npy; the file stands at the first number then. ValueError where it is none."""
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, fortran, dtype = readers[version](file)
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise ValueError(f"shape {shape}")
    return Header(shape, dtype, fortran)


@contextmanager
def opened(path: Path, *keys: str) -> Iterator[tuple[Header, BinaryIO, int]]:
    """(header, file at the first number, bytes on disk) of an .npy, or of the first of `keys` an .npz has.

    InputError names the file where it cannot be read, whatever is met inside the block.
    """
    try:
        with path.open("rb") as file:
            if path.suffix != ".npz":
                yield read_header(file), file, path.stat().st_size
                return
            with zipfile.ZipFile(file) as archive:
                there = {name.removesuffix(".npy"): name for name in archive.namelist()}
                key = next((key for key in keys if key in there), None)
                if key is None:
                    raise InputError(f"{path}: no key {keys[0]!r}; keys there: {', '.join(there) or 'none':.160}")
                with archive.open(there[key]) as member:
                    yield read_header(member), member, archive.getinfo(there[key]).compress_size
    except InputError:
        raise
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise InputError(f"{path}: cannot be read ({reason}); expected an .npz or .npy file") from None
    except Exception as error:  # zlib.error, BadZipFile, and what a damaged header makes numpy's parser raise
        said = first_line(error) or type(error).__name__
        raise InputError(f"{path}: damaged or not an {path.suffix} file ({said}); extract or copy it again") from None


def read_array(path: Path, *keys: str, rows: int = MOST_ROWS) -> np.ndarray:
    """The array of an .npz under the first of `keys` it has, or that of an .npy; InputError unless real numbers.

    `rows`: the most that it can have.
    """
    with opened(path, *keys) as (header, file, stored):
        check_size(header, path, rows, stored)
        data = file.read(header.nbytes + 1)  # one more: the end is where an archive's checksum is compared
        if len(data) < header.nbytes:
            raise ValueError(f"{len(data):,} of {header.nbytes:,} bytes")
        array = np.frombuffer(data, header.dtype, math.prod(header.shape))
        return array.reshape(header.shape, order="F" if header.fortran else "C")


def copy_numbers(file: BinaryIO, header: Header, target: io.IOBase, step: int = 2**22) -> None:
    """Copy the numbers of an opened array to `target`; ValueError where there are fewer than its header says."""
    left = header.nbytes
    while left:
        part = file.read(min(step, left))
        if not part:
            raise ValueError(f"{left:,} bytes fewer than its header says")
        target.write(part)
        left -= len(part)
    file.read(1)
