"""Text features computed beforehand, one file per query, as Moment-DETR, Lighthouse and UniVTG store CLIP's tokens."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snnvtg.data.arrays import read_array
from snnvtg.data.features import check_file_name, check_finite_rows, normalise
from snnvtg.data.layered import TEXT_AXES, read_layers
from snnvtg.errors import InputError
from snnvtg.records import Query

PATTERNS = ("qid{qid}.npz", "{qid}.npz", "{qid}.npy")
"""Moment-DETR's and Lighthouse's name; UniVTG's, and Lighthouse's for TACoS, TVSum and YouTube Highlights; R²'s"""
KEYS = ("last_hidden_state", "token")
"""everybody's; TVSum's files"""


class TextFiles:
    """Token features of `queries` from `folder`, each row divided by (norm + 1e-5); R²'s .npy of K layers as stored.

    `patterns` are file names with {qid} or {vid} in them and `keys` names of the array; the first that is there
    counts. `name` is the encoder that made the files: they do not say. Every file is read at once: a missing or
    damaged one, or one of another width, gives an InputError that names it.
    """

    def __init__(
        self,
        folder: Path | str,
        queries: Sequence[Query],
        *,
        patterns: Sequence[str] = PATTERNS,
        keys: Sequence[str] = KEYS,
        name: str = "",
    ):
        folder, self.name, self.marks = Path(folder), name, {}
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; expected text features in it, one {patterns[0]} per query")
        if not queries:
            raise InputError(f"{folder}: no queries to read text features for")
        self.tokens: dict[int | str, np.ndarray] = {}
        digest = hashlib.sha256()
        self.width = 0
        for query in queries:
            check_file_name(str(query.qid), "qid", folder)
            named = [folder / pattern.format(qid=query.qid, vid=query.vid) for pattern in patterns]
            path = next((path for path in named if path.is_file()), named[0])
            if path.suffix == ".npy":
                tokens = self.tokens[query.qid] = read_layers(path, TEXT_AXES)
            else:
                tokens = read_tokens(path, keys)
                self.tokens[query.qid] = normalise(tokens)
            self.width = self.width or tokens.shape[-1]
            first = next(iter(self.tokens.values()))
            if tokens.shape[-1] != self.width:
                raise InputError(f"{path}: width {tokens.shape[-1]}; the first query has {self.width}; encode it again")
            if tokens.shape[1:] != first.shape[1:]:
                raise InputError(f"{path}: shape {tokens.shape}; the first query has {first.shape}; encode it again")
            digest.update(f"{query.qid}{tokens.shape}".encode() + tokens.tobytes())
        self.digest = digest.hexdigest()

    def __call__(self, query: Query) -> np.ndarray:
        """Token features (N, width) float32 of one of the queries; of K layers (N, K, width)."""
        return self.tokens[query.qid]


def read_tokens(path: Path, keys: Sequence[str] = KEYS) -> np.ndarray:
    """Token features (N, Dt) float32 of one file; InputError names a file that is missing, damaged or empty."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; encode this query or drop it from the annotations")
    array = read_array(path, *keys)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{path}: text features of shape {array.shape}; expected (tokens, width); encode it again")
    return check_finite_rows(array, path)
