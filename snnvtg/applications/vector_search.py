"""Search of a store: exact, which is one matrix product and a maximum, or through an approximate index of faiss."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from snnvtg.applications.store import Store
from snnvtg.data.names import Names
from snnvtg.errors import InputError
from snnvtg.models.retrieval import best_run

BLOCK = 1 << 16
"""rows that are multiplied at once: what of a store is in memory beyond the operating system's own cache"""


@dataclass(frozen=True)
class Hit:
    """A video that answers a query, and where in it: from `start` to `end` seconds."""

    vid: str
    score: float
    start: float
    end: float


@dataclass(frozen=True)
class Catalogue:
    """Where everything lies in a store: P parts of V videos, as arrays."""

    names: tuple[Names, ...]
    """the videos of each piece"""
    first_video: np.ndarray
    """(pieces + 1,) int64: videos before each piece"""
    video_of: np.ndarray
    """(P,) int64, never falling: parts of a video follow one another"""
    start: np.ndarray
    """(P,) s"""
    duration: np.ndarray
    """(P,) s"""
    first_row: np.ndarray
    """(P + 1,) int64: rows of part p are first_row[p] … first_row[p + 1], counted through all pieces"""

    @classmethod
    def of(cls, store: Store) -> "Catalogue":
        """The catalogue of a store; InputError for an empty one."""
        pieces = store.manifest.pieces
        if not pieces:
            raise InputError(f"{store.folder}: the store is empty; add videos with experiments/index.py")
        parts = [store.parts(piece) for piece in pieces]
        first_video = np.append(0, np.cumsum([piece.videos for piece in pieces]))
        video_of = [own["video"] + first for own, first in zip(parts, first_video[:-1], strict=True)]
        start, duration, rows = (np.concatenate([own[name] for own in parts]) for name in ("start", "duration", "rows"))
        return cls(
            names=tuple(map(store.names, pieces)),
            first_video=first_video,
            video_of=np.concatenate(video_of),
            start=start,
            duration=duration,
            first_row=np.append(0, np.cumsum(rows)),
        )

    def __len__(self) -> int:
        return int(self.first_video[-1])

    def vid(self, video: int) -> str:
        """The name of a video."""
        piece = int(np.searchsorted(self.first_video, video, "right")) - 1
        return self.names[piece][video - int(self.first_video[piece])]


class VectorSearch:
    """A store opened for searching."""

    def __init__(self, store: Store):
        self.store, self.catalogue = store, Catalogue.of(store)
        self._maps = [store.vectors(piece) for piece in store.manifest.pieces]
        self._piece_row = np.append(0, np.cumsum([piece.rows for piece in store.manifest.pieces]))
        self._first_part = np.flatnonzero(np.diff(self.catalogue.video_of, prepend=-1))  # (V,)

    def __len__(self) -> int:
        return len(self.catalogue)

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """Every video for every query: queries (Q, d) float32 -> (V, Q) float32."""
        of_parts = np.concatenate(list(self._part_scores(queries)))  # (P, Q)
        return np.maximum.reduceat(of_parts, self._first_part, axis=0)

    def _part_scores(self, queries: np.ndarray) -> Iterator[np.ndarray]:
        first, part = self.catalogue.first_row, 0
        for vectors, base in zip(self._maps, self._piece_row[:-1], strict=True):
            end = int(np.searchsorted(first, base + len(vectors)))
            while part < end:
                stop = max(part + 1, int(np.searchsorted(first, first[part] + BLOCK, "right")) - 1)
                stop = min(stop, end)
                rows = np.asarray(vectors[first[part] - base : first[stop] - base], dtype=np.float32)
                yield np.maximum.reduceat(rows @ queries.T, first[part:stop] - first[part], axis=0)
                part = stop

    def exact(self, queries: np.ndarray, top: int) -> list[list[Hit]]:
        """The `top` videos of each query (Q, d), best first."""
        queries = self._checked(queries)
        scores = self.scores(queries)  # (V, Q)
        top = min(top, len(scores))
        best = np.argpartition(-scores, top - 1, axis=0)[:top]
        return [
            [self.hit(int(video), query) for video in column[np.argsort(-scores[column, number], kind="stable")]]
            for number, (column, query) in enumerate(zip(best.T, queries, strict=True))
        ]

    def hit(self, video: int, query: np.ndarray) -> Hit:
        """A video's score for a query (d,), and the segments around its best one."""
        catalogue = self.catalogue
        end = self._first_part[video + 1] if video + 1 < len(self) else len(catalogue.video_of)
        products = [self._rows(part) @ query for part in range(self._first_part[video], end)]
        place = int(np.argmax([product.max() for product in products]))
        part, best = self._first_part[video] + place, products[place]
        first, stop = best_run(torch.from_numpy(best))
        share = catalogue.duration[part] / len(best)
        begin = catalogue.start[part]
        return Hit(catalogue.vid(video), float(best.max()), float(begin + first * share), float(begin + stop * share))

    def _rows(self, part: int) -> np.ndarray:
        """The vectors (M, d) float32 of a part."""
        first, stop = self.catalogue.first_row[part : part + 2]
        piece = int(np.searchsorted(self._piece_row, first, "right")) - 1
        base = self._piece_row[piece]
        return np.asarray(self._maps[piece][first - base : stop - base], dtype=np.float32)

    def _checked(self, queries: np.ndarray) -> np.ndarray:
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.store.manifest.width:
            raise InputError(f"queries of shape {queries.shape}; the store has width {self.store.manifest.width}")
        return queries
