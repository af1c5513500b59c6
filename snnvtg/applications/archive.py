"""An archive of videos that is asked in words: which video, and where in it."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snnvtg.applications.grounding import Video, encode_query
from snnvtg.applications.store import Dtype, Entry, Part, Store
from snnvtg.data import Example, collate
from snnvtg.data.feature_rows import open_rows
from snnvtg.data.features import FLOW, RGB, SUFFIXES, check_source, feature_file, join_backbones
from snnvtg.data.text import TextEncoder
from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.models import GroundingModel
from snnvtg.records import Query
from snnvtg.training.checkpoint import Checkpoint

MODEL = "checkpoint.pt"
"""the copy of the checkpoint in a store: its vectors mean nothing without the model that reads the queries"""


class Archive:
    """A checkpoint's videos and how they are read: one folder of features per backbone, in the checkpoint's order."""

    def __init__(self, checkpoint: Checkpoint, folders: Sequence[Path], *, longest: int | None = None):
        """A video of more than `longest` clips is stored in parts that share half with the next.

        None: the longest video of training, or whole videos where the checkpoint does not say.
        """
        if longest is not None and longest < 2:
            raise InputError(f"longest is {longest} clips; expected at least 2")
        self.checkpoint, self.folders = checkpoint, tuple(folders)
        if len(self.folders) != len(checkpoint.feature_names):
            raise InputError(
                f"{len(self.folders)} feature folders; the checkpoint was trained on "
                f"{' + '.join(checkpoint.feature_names)}, give one for each, in that order"
            )
        for folder in self.folders:
            check_source(folder)
        self.longest, self.model = longest or checkpoint.longest or None, checkpoint.build()

    def vids(self) -> list[str]:
        """Every video of the first folder, sorted."""
        names = {path.name.removesuffix(RGB) for path in self.folders[0].iterdir() if path.suffix in SUFFIXES}
        found = sorted({Path(name).stem if Path(name).suffix in SUFFIXES else name for name in names})
        found = [name for name in found if not name.endswith(FLOW.removesuffix(".npy"))]
        if not found:
            raise InputError(f"{self.folders[0]}: no features in it; expected one {{vid}}.npz or .npy per video")
        return found

    @torch.inference_mode()
    def entries(self, vids: Iterable[str], batch_size: int = 16) -> Iterator[Entry]:
        """The vectors of the videos, `batch_size` of them computed together."""
        remaining = iter(vids)
        while chosen := list(islice(remaining, batch_size)):
            examples = [example for vid in chosen for example in self._examples(vid)]
            vectors = self.model.video_vectors(collate(examples, self.checkpoint.clip_length))
            parts: dict[str, list[Part]] = {vid: [] for vid in chosen}
            for example, segments, mask in zip(examples, vectors.segments, vectors.mask, strict=True):
                start, length = example.query.qid * self.checkpoint.clip_length, example.query.duration
                parts[example.query.vid].append(Part(start, length, segments[mask].numpy()))
            yield from (Entry(vid, tuple(found)) for vid, found in parts.items())

    def _examples(self, vid: str) -> list[Example]:
        """The parts of a video, the number of its first clip as qid."""
        video = Video(tuple(open_rows(feature_file(folder, vid)) for folder in self.folders))
        width = sum(part.width for part in video.parts)
        if width != self.checkpoint.video_width - 2:
            raise InputError(
                f"{vid}: {width} features per clip, the checkpoint was trained with {self.checkpoint.video_width - 2}; "
                "extract them with the same backbones"
            )
        size = min(self.longest or video.num_clips, video.num_clips)
        step = max(1, size // 2)
        starts = [*range(0, video.num_clips - size, step), video.num_clips - size]
        return [self._example(vid, video.read(start, start + size), start) for start in starts]

    def _example(self, vid: str, rows: np.ndarray, start: int) -> Example:
        query = Query(start, "", vid, len(rows) * self.checkpoint.clip_length)
        return Example(query, join_backbones([rows]), np.zeros((1, self.checkpoint.text_width), dtype=np.float32))


def open_store(folder: Path, archive: Archive, file: Path, text: str, dtype: Dtype) -> Store:
    """The store in `folder` for the vectors of `archive`, made where there is none, with a copy of its checkpoint."""
    probe = next(archive.entries(archive.vids()[:1]))
    checkpoint = archive.checkpoint
    made_by: dict[str, Any] = {
        "checkpoint": hashlib.sha256(file.read_bytes()).hexdigest()[:16],
        "model": checkpoint.model_name,
        "longest": archive.longest,
        "text": text,
    }
    store = Store.create(folder, probe.parts[0].vectors.shape[1], made_by, dtype)
    if not (folder / MODEL).is_file():
        with atomic(folder / MODEL) as scratch:
            shutil.copyfile(file, scratch)
    return store


def add_videos(store: Store, archive: Archive, vids: Sequence[str] | None = None, batch_size: int = 16) -> int:
    """Add the videos (none: all of the folders) that the store lacks; their number.

    Where one cannot be read those before it are kept, and the InputError names it.
    """
    known = store.vids()
    fault: list[InputError] = []

    def readable() -> Iterator[Entry]:
        try:
            yield from archive.entries((vid for vid in vids or archive.vids() if vid not in known), batch_size)
        except InputError as error:
            fault.append(error)

    count = store.add(readable())
    if fault:
        raise InputError(f"{fault[0]} ({count} videos before it are in the store)")
    return count


@torch.inference_mode()
def query_vectors(
    model: GroundingModel, checkpoint: Checkpoint, file: Path, encoder: TextEncoder, words: Sequence[str]
) -> np.ndarray:
    """The vectors (Q, d) that a store is searched with; an encoder other than that of training is refused."""
    queries = [Query(number, text, "", checkpoint.clip_length) for number, text in enumerate(words)]
    empty = np.zeros((1, checkpoint.video_width), dtype=np.float32)
    examples = [Example(query, empty, encode_query(encoder, query, checkpoint, file)) for query in queries]
    return model.query_vectors(collate(examples, checkpoint.clip_length)).numpy()
