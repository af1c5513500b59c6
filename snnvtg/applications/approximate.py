"""Approximate search by faiss: the segments nearest to a query in an inverted file, their videos scored exactly."""

import json

import numpy as np

from snnvtg.applications.vector_search import Hit, VectorSearch
from snnvtg.data.extras import require
from snnvtg.errors import InputError
from snnvtg.files import atomic

INDEX, COVERS = "approximate.faiss", "approximate.json"
TRAINING_ROWS = 64
"""training rows per list of the inverted file, faiss's own recommendation being 39 to 256"""


def _faiss():
    return require("faiss", "faiss", "an approximate index")


class ApproximateSearch:
    """`search` narrowed by an index that lies in the store's folder and covers all of it."""

    def __init__(self, search: VectorSearch, *, probes: int = 256, candidates: int = 1000):
        """`probes`: lists of the inverted file that are read; `candidates`: segments whose videos are scored."""
        faiss, folder = _faiss(), search.store.folder
        covers = [piece.name for piece in search.store.manifest.pieces]
        try:
            covered = json.loads((folder / COVERS).read_text())
        except (OSError, ValueError):
            raise InputError(f"{folder}: no approximate index; make it with experiments/index.py --faiss") from None
        if covered != covers:
            raise InputError(f"{folder}: the approximate index is of an earlier state; renew it with index.py --faiss")
        try:
            self.index = faiss.read_index(str(folder / INDEX), faiss.IO_FLAG_MMAP)
        except RuntimeError as error:
            raise InputError(f"{folder / INDEX}: damaged ({error}); renew it with index.py --faiss") from None
        self.search, self.candidates = search, candidates
        self.index.nprobe = min(probes, self.index.nlist)

    def nearest(self, queries: np.ndarray, top: int) -> list[list[Hit]]:
        """The `top` videos of each query (Q, d), best first, among those of the candidates; fewer where there are."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        _, rows = self.index.search(queries, self.candidates)
        catalogue = self.search.catalogue
        found = []
        for query, near in zip(queries, rows, strict=True):
            parts = np.searchsorted(catalogue.first_row, near[near >= 0], "right") - 1
            # nearest first, so that `top` videos beyond doubt are among twice as many
            videos = list(dict.fromkeys(catalogue.video_of[parts].tolist()))[: 2 * top]
            hits = sorted((self.search.hit(video, query) for video in videos), key=lambda hit: -hit.score)
            found.append(hits[:top])
        return found


def build(search: VectorSearch, *, lists: int | None = None, code: str = "SQ8", seed: int = 0) -> None:
    """Write the approximate index of a store: an inverted file of `lists` (none: 2 √rows), its rows kept as `code`.

    SQ8 is a byte per dimension, SQfp16 two, Flat four; products are inner products, as in the exact search.
    """
    faiss, store = _faiss(), search.store
    total = int(search.catalogue.first_row[-1])
    lists = min(lists or int(2 * total**0.5), max(1, total // 39))
    index = faiss.index_factory(store.manifest.width, f"IVF{lists},{code}", faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(seed).choice(total, min(total, lists * TRAINING_ROWS), replace=False)
    index.train(_rows_at(search, np.sort(chosen)))
    for piece in store.manifest.pieces:
        vectors = store.vectors(piece)
        for first in range(0, len(vectors), 1 << 18):
            index.add(np.asarray(vectors[first : first + (1 << 18)], dtype=np.float32))
    with atomic(store.folder / INDEX) as scratch:
        faiss.write_index(index, str(scratch))
    with atomic(store.folder / COVERS) as scratch:
        scratch.write_text(json.dumps([piece.name for piece in store.manifest.pieces]))


def _rows_at(search: VectorSearch, rows: np.ndarray) -> np.ndarray:
    parts, base = [], 0
    for piece in search.store.manifest.pieces:
        inside = rows[(rows >= base) & (rows < base + piece.rows)] - base
        parts.append(np.asarray(search.store.vectors(piece)[inside], dtype=np.float32))
        base += piece.rows
    return np.concatenate(parts)
