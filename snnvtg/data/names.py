"""Names in two memory-mapped files, found by place or by name without an object for each of them."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

TEXT, TABLE = "names.txt", "names.npy"


def write_names(names: Iterable[str], folder: Path) -> None:
    """Write the files of `Names` into `folder`; the names differ from one another."""
    encoded = [name.encode() for name in names]
    hashes = np.array([_hash(name) for name in encoded], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    ends = np.cumsum([len(name) for name in encoded])
    (folder / TEXT).write_bytes(b"".join(encoded))
    np.save(folder / TABLE, np.stack([ends.astype(np.uint64), hashes[order], order.astype(np.uint64)]))


class Names(Sequence[str]):
    """The names of a folder, in the order they were written.

    ValueError or OSError where the files are damaged or missing.
    """

    def __init__(self, folder: Path):
        self._text = np.asarray(np.memmap(folder / TEXT, dtype=np.uint8, mode="r"))
        table = np.asarray(np.load(folder / TABLE, mmap_mode="r", allow_pickle=False))
        if table.dtype != np.uint64 or table.ndim != 2 or table.shape[0] != 3 or not table.shape[1]:
            raise ValueError(f"{TABLE} of shape {table.shape}")
        self._ends, self._hashes, self._places = table
        ends, size = self._ends, len(self._ends)
        if ends[-1] != len(self._text) or np.any(ends[1:] < ends[:-1]):
            raise ValueError(f"{TEXT} of {len(self._text)} bytes")
        if np.any(self._hashes[1:] < self._hashes[:-1]) or self._places.max() >= size:
            raise ValueError(f"{TABLE} with places that cannot be")

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


def _hash(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
