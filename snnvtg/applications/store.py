"""A store of video vectors on disk: memory-mapped, added to piece by piece, never half written.

    STORE/manifest.json       what the vectors are of, and which pieces there are; replaced atomically, last of all
    STORE/piece-000000/       vectors.bin (rows, d), parts.json [[vid, start s, duration s, rows], …]

A piece that no manifest names was being written when its process ended: it counts for nothing, and the next `add`
removes it. One process adds at a time (a lock file); any number reads.
"""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import cattrs
import numpy as np
from filelock import FileLock, Timeout

from snnvtg.errors import InputError, first_line
from snnvtg.files import FULL, atomic

MANIFEST, VECTORS, PARTS, FORMAT = "manifest.json", "vectors.bin", "parts.json", 1
PIECE = 10_000
"""videos after which a piece is finished, so that what an interrupted `add` has done is kept"""

Dtype = Literal["float32", "float16"]


@dataclass(frozen=True)
class Part:
    """Seconds of a video, all of it where it is short, with vectors (M, d): M equal shares of them, in order."""

    start: float
    duration: float
    vectors: np.ndarray


@dataclass(frozen=True)
class Entry:
    """A video to be stored."""

    vid: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Piece:
    """Videos that were added together."""

    name: str
    videos: int
    parts: int
    rows: int


@dataclass(frozen=True)
class Manifest:
    """What a store holds. `made_by` says what its vectors are of: two stores of different makers never mix."""

    width: int
    dtype: Dtype
    made_by: Mapping[str, Any]
    pieces: tuple[Piece, ...] = ()
    format: int = field(default=FORMAT)


class Store:
    """The store in a folder."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder / MANIFEST)

    @classmethod
    def create(cls, folder: Path, width: int, made_by: Mapping[str, Any], dtype: Dtype = "float32") -> "Store":
        """A new store; the one that is there already, if it was made by the same with the same settings."""
        folder, wanted = Path(folder), Manifest(width, dtype, dict(made_by))
        if (folder / MANIFEST).exists():
            store = cls(folder)
            for name in ("width", "dtype", "made_by"):
                mine, given = getattr(store.manifest, name), getattr(wanted, name)
                if mine != given:
                    raise InputError(f"{folder}: is a store with {name} {mine}, not {given}; choose another folder")
            return store
        _write_manifest(folder / MANIFEST, wanted)
        return cls(folder)

    def __len__(self) -> int:
        return sum(piece.videos for piece in self.manifest.pieces)

    def vids(self) -> set[str]:
        """The videos in the store."""
        return {vid for piece in self.manifest.pieces for vid, *_ in self.parts(piece)}

    def parts(self, piece: Piece) -> list[tuple[str, float, float, int]]:
        """(vid, start s, duration s, rows) of each part of a piece's videos, those of one video in a row."""
        path = self.folder / piece.name / PARTS
        try:
            found = [(str(vid), float(s), float(d), int(rows)) for vid, s, d, rows in json.loads(path.read_text())]
        except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(f"{path}: missing or damaged ({first_line(error)}); index into another folder") from None
        if len(found) != piece.parts or sum(rows for *_, rows in found) != piece.rows:
            raise InputError(
                f"{path}: {len(found)} parts where {MANIFEST} has {piece.parts}; index into another folder"
            )
        return found

    def vectors(self, piece: Piece) -> np.ndarray:
        """The vectors (rows, d) of a piece, memory-mapped."""
        path, shape = self.folder / piece.name / VECTORS, (piece.rows, self.manifest.width)
        dtype = np.dtype(self.manifest.dtype)
        expected = shape[0] * shape[1] * dtype.itemsize
        found = path.stat().st_size if path.is_file() else -1
        if found != expected:
            raise InputError(f"{path}: {found} bytes where {MANIFEST} has {expected}; index into another folder")
        return np.memmap(path, dtype=dtype, mode="r", shape=shape)

    def add(self, entries: Iterable[Entry], piece_size: int = PIECE) -> int:
        """Write the videos, `piece_size` at a time, and return how many.

        InputError for a video that the store holds, for vectors of another width or that are no finite numbers, for a
        full disk, and where another process is adding; whole pieces written before it stay.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            with lock.acquire(timeout=0):
                self.manifest = _read_manifest(self.folder / MANIFEST)
                self._remove_unfinished()
                return self._add(iter(entries), piece_size)
        except Timeout:
            raise InputError(f"{self.folder}: another process is adding to it; wait for its end") from None
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise InputError(f"{self.folder}: cannot be written ({error.strerror}); make room and repeat") from error

    def _add(self, entries: Iterator[Entry], piece_size: int) -> int:
        known, count = self.vids(), 0
        while (piece := self._write_piece(islice(entries, piece_size), known)) is not None:
            count += piece.videos
            self.manifest = dataclasses.replace(self.manifest, pieces=(*self.manifest.pieces, piece))
            _write_manifest(self.folder / MANIFEST, self.manifest)
        return count

    def _write_piece(self, entries: Iterator[Entry], known: set[str]) -> Piece | None:
        """One piece of all `entries`, not in the manifest yet; None where there are none."""
        scratch = Path(tempfile.mkdtemp(dir=self.folder, prefix=".piece-"))
        listed, before = [], len(known)
        try:
            with (scratch / VECTORS).open("wb") as file:
                for entry in entries:
                    if entry.vid in known:
                        raise InputError(f"{self.folder}: holds video {entry.vid!r} already; leave it out")
                    known.add(entry.vid)
                    for part in entry.parts:
                        file.write(self._checked(entry.vid, part).tobytes())
                        listed.append((entry.vid, part.start, part.duration, len(part.vectors)))
            if not listed:
                return None
            (scratch / PARTS).write_text(json.dumps(listed))
            name = f"piece-{len(self.manifest.pieces):06d}"
            scratch.chmod(0o755)
            os.rename(scratch, self.folder / name)
            return Piece(name, len(known) - before, len(listed), sum(rows for *_, rows in listed))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _checked(self, vid: str, part: Part) -> np.ndarray:
        shape = part.vectors.shape
        if len(shape) != 2 or shape[0] < 1 or shape[1] != self.manifest.width:
            raise InputError(f"{vid}: vectors of shape {shape}; the store has (any, {self.manifest.width})")
        with np.errstate(over="ignore"):  # beyond float16 they become infinite, which is refused
            vectors = np.asarray(part.vectors, dtype=self.manifest.dtype)
        if not np.isfinite(vectors).all():
            raise InputError(f"{vid}: vectors that are no finite {self.manifest.dtype}; extract its features again")
        return vectors

    def _remove_unfinished(self) -> None:
        names = {piece.name for piece in self.manifest.pieces}
        for path in [*self.folder.glob("piece-*"), *self.folder.glob(".piece-*")]:
            if path.name not in names:
                shutil.rmtree(path, ignore_errors=True)


def _read_manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise InputError(f"{path.parent}: no store; make one with experiments/index.py")
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise InputError(f"{path}: format {content['format']!r}; expected {FORMAT}; index into another folder")
        manifest = cattrs.structure(content, Manifest)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, cattrs.BaseValidationError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged ({first_line(error)}); index into another folder") from None
    sizes = [manifest.width, *(n for piece in manifest.pieces for n in (piece.videos, piece.parts, piece.rows))]
    if min(sizes) < 1 or any(Path(piece.name).name != piece.name for piece in manifest.pieces):
        raise InputError(f"{path}: damaged (it has pieces that cannot be); index into another folder")
    return manifest


def _write_manifest(path: Path, manifest: Manifest) -> None:
    with atomic(path) as scratch:
        scratch.write_text(json.dumps(dataclasses.asdict(manifest), indent=1))
