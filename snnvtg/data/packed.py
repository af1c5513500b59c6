"""All features of a data set in one memory-mapped file: a video is a slice, nothing is opened or unpacked per item."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from snnvtg.claims import claimed
from snnvtg.data.features import feature_file, join_backbones, normalise, read_features
from snnvtg.errors import InputError
from snnvtg.files import UNFINISHED
from snnvtg.interrupts import held, let_through

ROWS, INDEX, FORMAT = "rows.bin", "index.json", 1


def pack_features(
    vids: Sequence[str],
    folders: Sequence[Path],
    target: Path | str,
    *,
    dtype: Literal["float32", "float16"] = "float32",
) -> "PackedFeatures":
    """Write the folder `target` with every video's backbones normalised and joined, in the order of `folders`.

    Videos are read one at a time, so memory does not grow with the data. float16 halves the file and rounds unit-norm
    features by up to 5e-4 of their value. The folder is written atomically; an existing one is an InputError.
    """
    target, vids = Path(target), list(dict.fromkeys(vids))
    if target.exists():
        raise InputError(f"{target}: exists already; remove it or choose another name")
    if not vids or not folders:
        raise InputError(f"{target}: nothing to pack; name at least one video and one feature folder")
    with claimed(target), held():
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.stem}{UNFINISHED}"))
        try:
            with let_through():
                _write(vids, folders, scratch, np.dtype(dtype))
            scratch.chmod(0o755)
            os.rename(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return PackedFeatures(target)


class PackedFeatures(Mapping[str, np.ndarray]):
    """vid → features (L, Dv) float32 as `load_video` gives them, read from the memory-mapped file on demand.

    Stands in for the dictionary of a GroundingDataset and opens anew in worker processes. `checksum` covers the rows.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such folder; make it with experiments/tools/pack_features.py")
        index = self.path / INDEX
        try:
            content = json.loads(index.read_text())
            kind = content["format"]
            self.feature_names = tuple(str(name) for name in content["feature_names"])
            self.checksum = str(content["checksum"])
            self._slices = {vid: (int(start), int(stop)) for vid, (start, stop) in content["videos"].items()}
            shape = (max(stop for _, stop in self._slices.values()), int(content["width"]))
            dtype = np.dtype(content["dtype"])
            if min(stop - start for start, stop in self._slices.values()) < 1:
                raise ValueError("a video without rows")
            if min(start for start, _ in self._slices.values()) < 0 or dtype.name not in ("float32", "float16"):
                raise ValueError("rows that cannot be")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(f"{index}: missing or damaged ({error}); pack the features again") from None
        if kind != FORMAT:
            raise InputError(f"{index}: format {kind!r}; expected {FORMAT}; pack the features again")
        self._rows = _map(self.path / ROWS, shape, dtype)

    def __getitem__(self, vid: str) -> np.ndarray:
        start, stop = self._slices[vid]
        return join_backbones([self._rows[start:stop].astype(np.float32)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)

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
        start, stop = self._slices[vid]
        return stop - start


def _map(path: Path, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    expected = shape[0] * shape[1] * dtype.itemsize
    found = path.stat().st_size if path.is_file() else -1
    if found != expected or expected <= 0:
        raise InputError(f"{path}: {found} bytes where {INDEX} has {expected}; pack the features again")
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)


def _write(vids: Sequence[str], folders: Sequence[Path], scratch: Path, dtype: np.dtype) -> None:
    digest = hashlib.sha256()
    slices, count, width = {}, 0, 0
    with (scratch / ROWS).open("wb") as file:
        for vid in vids:
            parts = [normalise(read_features(feature_file(folder, vid))) for folder in folders]
            # the two time-endpoint columns come back on reading
            joined = join_backbones(parts)[:, :-2].astype(dtype)
            width = width or joined.shape[1]
            if joined.shape[1] != width:
                source = feature_file(folders[0], vid)
                raise InputError(f"{source}: joined width {joined.shape[1]}; the first has {width}; extract it again")
            slices[vid] = (count, count + len(joined))
            count += len(joined)
            digest.update(joined.tobytes())
            file.write(joined.tobytes())
    content = {
        "format": FORMAT,
        "feature_names": [folder.name for folder in folders],
        "dtype": dtype.name,
        "width": width,
        "checksum": digest.hexdigest()[:16],
        "videos": slices,
    }
    (scratch / INDEX).write_text(json.dumps(content))
