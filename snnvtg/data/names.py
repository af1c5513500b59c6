"""Names in two memory-mapped files, found by place or by name without an object for each of them."""

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from snnvtg.errors import first_line

TEXT, TABLE = "names.txt", "names.npy"


def write_names(names: Iterable[str], folder: Path) -> str:
    """Write the files of `Names` into `folder`, and return the mark they are read with; no name is there twice."""
    encoded = [name.encode() for name in names]
    hashes = np.array([_hash(name) for name in encoded], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    ends = np.cumsum([len(name) for name in encoded])
    text, table = b"".join(encoded), np.stack([ends.astype(np.uint64), hashes[order], order.astype(np.uint64)])
    (folder / TEXT).write_bytes(text)
    write_array(table, folder / TABLE)
    return _mark(text, table)


class Names(Sequence[str]):
    """The names of a folder, in the order they were written.

    ValueError or OSError where the files are missing, damaged, or others than those of the mark.
    """

    def __init__(self, folder: Path, mark: str):
        self._text = np.asarray(np.memmap(folder / TEXT, dtype=np.uint8, mode="r"))
        table = mapped(folder / TABLE)
        if table.ndim != 2 or table.shape[0] != 3 or _mark(self._text, table) != mark:
            raise ValueError(f"{TEXT} and {TABLE} are not as they were written")
        self._ends, self._hashes, self._places = table

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: int) -> str:
        place = range(len(self))[place]
        start = int(self._ends[place - 1]) if place else 0
        return self._text[start : int(self._ends[place])].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends.tolist():
            yield self._text[start:end].tobytes().decode()
            start = end

    def find(self, name: str) -> int | None:
        """The place of a name, or None."""
        wanted = np.uint64(_hash(name.encode(errors="replace")))
        entry = int(np.searchsorted(self._hashes, wanted))
        while entry < len(self) and self._hashes[entry] == wanted:
            place = int(self._places[entry])
            if self[place] == name:
                return place
            entry += 1
        return None


def write_array(array: np.ndarray, path: Path) -> None:
    """Write an .npy file; an OSError that says why where it cannot be, which numpy's own writer does not."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())


def mapped(path: Path) -> np.ndarray:
    """The array of an .npy file, memory-mapped; OSError where it is missing, ValueError where it is damaged."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except OSError:
        raise
    except Exception as error:  # what a damaged header makes numpy's parser raise
        raise ValueError(f"{path.name}: {first_line(error)}") from None


def _mark(text: bytes | np.ndarray, table: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(table), zlib.crc32(text)):08x}"


def _hash(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
