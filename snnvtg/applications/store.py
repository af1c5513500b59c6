"""A store of video vectors on disk: memory-mapped, added to piece by piece, never half written.

    STORE/manifest.json       what the vectors are of, and which pieces there are; replaced atomically, last of all
    STORE/piece-000000/       vectors.bin (rows, d); names.* (see `data.names`), its videos; parts.npy, of each part the
                              number of its video, start s, duration s, rows

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

from snnvtg.data.names import Names, mapped, write_array, write_names
from snnvtg.errors import InputError, first_line
from snnvtg.files import FULL, atomic

MANIFEST, VECTORS, PARTS, FORMAT = "manifest.json", "vectors.bin", "parts.npy", 2
COLUMNS = np.dtype([("video", np.int64), ("start", np.float64), ("duration", np.float64), ("rows", np.int64)])
"""of the parts of a piece: number of the video in the piece, never falling; seconds; vectors"""

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
    names: str
    """the mark of its videos' names"""


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
        return {vid for piece in self.manifest.pieces for vid in self.names(piece)}

    def names(self, piece: Piece) -> Names:
        """The videos of a piece, memory-mapped."""
        try:
            return Names(self.folder / piece.name, piece.names)
        except (OSError, ValueError) as error:
            raise self._damaged(self.folder / piece.name / "names.*", error) from None

    def parts(self, piece: Piece) -> np.ndarray:
        """The parts (P,) of a piece's videos, of `COLUMNS`, memory-mapped."""
        path = self.folder / piece.name / PARTS
        try:
            found = mapped(path)
        except (OSError, ValueError) as error:
            raise self._damaged(path, error) from None
        if found.dtype != COLUMNS or found.shape != (piece.parts,) or found["rows"].sum() != piece.rows:
            raise self._differs(path, f"parts of shape {found.shape}", piece.parts)
        steps = np.diff(found["video"], prepend=-1, append=piece.videos - 1)
        if steps[0] != 1 or steps[-1] != 0 or not np.isin(steps[1:], (0, 1)).all() or found["rows"].min() < 1:
            raise self._damaged(path, ValueError("parts of no video"))
        return found

    def _damaged(self, path: Path, error: Exception) -> InputError:
        return InputError(f"{path}: missing or damaged ({first_line(error)}); index into another folder")

    def _differs(self, path: Path, found: str, expected: int) -> InputError:
        return InputError(f"{path}: {found} where {MANIFEST} has {expected}; index into another folder")

    def vectors(self, piece: Piece) -> np.ndarray:
        """The vectors (rows, d) of a piece, memory-mapped."""
        path, shape = self.folder / piece.name / VECTORS, (piece.rows, self.manifest.width)
        dtype = np.dtype(self.manifest.dtype)
        expected = shape[0] * shape[1] * dtype.itemsize
        found = path.stat().st_size if path.is_file() else -1
        if found != expected:
            raise self._differs(path, f"{found} bytes", expected)
        return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=shape))

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
        vids: list[str] = []
        parts: list[tuple[int, float, float, int]] = []
        try:
            with (scratch / VECTORS).open("wb") as file:
                for entry in entries:
                    if entry.vid in known:
                        raise InputError(f"{self.folder}: holds video {entry.vid!r} already; leave it out")
                    if not entry.parts:
                        raise InputError(f"{entry.vid}: no vectors; leave it out")
                    known.add(entry.vid)
                    vids.append(entry.vid)
                    for part in entry.parts:
                        file.write(self._checked(entry.vid, part).tobytes())
                        parts.append((len(vids) - 1, part.start, part.duration, len(part.vectors)))
            if not vids:
                return None
            mark = write_names(vids, scratch)
            write_array(np.array(parts, dtype=COLUMNS), scratch / PARTS)
            name = f"piece-{len(self.manifest.pieces):06d}"
            scratch.chmod(0o755)
            os.rename(scratch, self.folder / name)
            return Piece(name, len(vids), len(parts), sum(rows for *_, rows in parts), mark)
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
