"""All features of a data set in one memory-mapped file: a video is a slice, nothing is opened or unpacked per item.

rows.bin        the clips of all videos, (clips, width)
starts.npy      (V + 1,) int64: clips of video v are starts[v] … starts[v + 1]
names.*         the videos' names, see `names`
index.json      width, dtype, backbones, and a checksum of the rows
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from snnvtg.claims import claimed
from snnvtg.data.features import feature_file, join_backbones, normalise, read_features
from snnvtg.data.names import Names, mapped, write_array, write_names
from snnvtg.errors import InputError, first_line
from snnvtg.files import FULL, UNFINISHED
from snnvtg.interrupts import held, let_through

ROWS, STARTS, INDEX, FORMAT = "rows.bin", "starts.npy", "index.json", 2


def pack_features(
    vids: Sequence[str],
    folders: Sequence[Path],
    target: Path | str,
    *,
    dtype: Literal["float32", "float16"] = "float32",
) -> "PackedFeatures":
    """Write the folder `target` with every video's backbones normalised and joined, in the order of `folders`.

    Videos are read one at a time, so memory does not grow with the data. float16 halves the file and rounds unit-norm
    features by up to 5e-4 of their value. The folder is written atomically; an existing one is an InputError, and so is
    a disk that is full.
    """
    vids = list(dict.fromkeys(vids))
    if not vids or not folders:
        raise InputError(f"{target}: nothing to pack; name at least one video and one feature folder")
    return write_packed(_joined(vids, folders), target, [folder.name for folder in folders], dtype=dtype)


def write_packed(
    videos: Iterable[tuple[str, np.ndarray]],
    target: Path | str,
    feature_names: Sequence[str],
    *,
    dtype: Literal["float32", "float16"] = "float32",
) -> "PackedFeatures":
    """As `pack_features`, of videos (L, Dv) under their names, made one after the other, without time endpoints."""
    target = Path(target)
    if target.exists():
        raise InputError(f"{target}: exists already; remove it or choose another name")
    with claimed(target), held():
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.stem}{UNFINISHED}"))
        try:
            with let_through():
                _write(videos, feature_names, scratch, np.dtype(dtype))
            scratch.chmod(0o755)
            os.rename(scratch, target)
        except OSError as error:
            if error.errno not in FULL:
                raise
            said = f"{target}: cannot be written ({error.strerror}); make room and run the same command"
            raise InputError(said) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return PackedFeatures(target)


class PackedFeatures(Mapping[str, np.ndarray]):
    """vid → features (L, Dv) float32 as `load_video` gives them, read from the memory-mapped file on demand.

    Stands in for the dictionary of a GroundingDataset and opens anew in worker processes; where each video is lies in
    memory-mapped files too, so that opening takes the same memory for any number of videos. `checksum` covers the rows.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such folder; make it with experiments/tools/pack_features.py")
        content = _read_index(self.path / INDEX)
        try:
            self.feature_names = tuple(str(name) for name in content["feature_names"])
            self.checksum = str(content["checksum"])
            self._names = Names(self.path, str(content["names"]))
            self._starts = mapped(self.path / STARTS)
            shape, dtype = (int(self._starts[-1]), int(content["width"])), np.dtype(content["dtype"])
            if self._starts.dtype != np.int64 or self._starts.shape != (len(self._names) + 1,):
                raise ValueError(f"{STARTS} of shape {self._starts.shape}")
            if self._starts[0] != 0 or np.any(np.diff(self._starts) < 1):
                raise ValueError("a video without rows")
            if dtype.name not in ("float32", "float16"):
                raise ValueError("rows that cannot be")
        except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise _damaged(self.path / INDEX, error) from None
        self._rows = _map(self.path / ROWS, shape, dtype)

    def __getitem__(self, vid: str) -> np.ndarray:
        start, stop = self._slice(vid)
        return join_backbones([self._rows[start:stop].astype(np.float32)])

    def __contains__(self, vid: object) -> bool:
        return isinstance(vid, str) and self._names.find(vid) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getstate__(self) -> dict:
        # the mapping is opened again where it is unpickled, never copied
        return {"path": self.path}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["path"])

    @property
    def width(self) -> int:
        """Dv, time endpoints included."""
        return self._rows.shape[1] + 2

    def num_clips(self, vid: str) -> int:
        """Clips of a video, without reading them."""
        start, stop = self._slice(vid)
        return stop - start

    def _slice(self, vid: str) -> tuple[int, int]:
        place = self._names.find(vid)
        if place is None:
            raise KeyError(vid)
        return int(self._starts[place]), int(self._starts[place + 1])


def _read_index(path: Path) -> dict[str, Any]:
    """What the index says; InputError where it is damaged, or of another format."""
    try:
        content = json.loads(path.read_text())
        kind = content["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from None
    if kind != FORMAT:
        raise InputError(f"{path}: format {kind!r}; expected {FORMAT}; pack the features again")
    return content


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: missing or damaged ({first_line(error)}); pack the features again")


def _map(path: Path, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    expected = shape[0] * shape[1] * dtype.itemsize
    found = path.stat().st_size if path.is_file() else -1
    if found != expected or expected <= 0:
        raise InputError(f"{path}: {found} bytes where {STARTS} has {expected}; pack the features again")
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=shape))


def _joined(vids: Sequence[str], folders: Sequence[Path]) -> Iterator[tuple[str, np.ndarray]]:
    width = 0
    for vid in vids:
        parts = [normalise(read_features(feature_file(folder, vid))) for folder in folders]
        # the two time-endpoint columns come back on reading
        joined = join_backbones(parts)[:, :-2]
        width = width or joined.shape[1]
        if joined.shape[1] != width:
            source = feature_file(folders[0], vid)
            raise InputError(f"{source}: joined width {joined.shape[1]}; the first has {width}; extract it again")
        yield vid, joined


def _write(
    videos: Iterable[tuple[str, np.ndarray]], feature_names: Sequence[str], scratch: Path, dtype: np.dtype
) -> None:
    digest, vids, starts, width = hashlib.sha256(), [], [0], 0
    with (scratch / ROWS).open("wb") as file:
        for vid, features in videos:
            rows = features.astype(dtype).tobytes()
            vids.append(vid)
            starts.append(starts[-1] + len(features))
            width = features.shape[1]
            digest.update(rows)
            file.write(rows)
    write_array(np.array(starts, dtype=np.int64), scratch / STARTS)
    content = {
        "format": FORMAT,
        "feature_names": list(feature_names),
        "dtype": dtype.name,
        "width": width,
        "checksum": digest.hexdigest()[:16],
        "names": write_names(vids, scratch),
    }
    (scratch / INDEX).write_text(json.dumps(content))
