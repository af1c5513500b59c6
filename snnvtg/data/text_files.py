"""Text features computed beforehand, one file a query, as Moment-DETR, Lighthouse and UniVTG store CLIP's tokens."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snnvtg.data.features import check_finite_rows, normalise, read_array
from snnvtg.errors import InputError
from snnvtg.records import Query


class TextFiles:
    """Token features of `queries` from `folder`, each row divided by (norm + 1e-5).

    `pattern` is the file name with {qid} or {vid} in it. Every file is read at once: a missing or damaged one, or one
    of another width, gives an InputError that names it.
    """

    name = "files"

    def __init__(
        self,
        folder: Path | str,
        queries: Sequence[Query],
        *,
        pattern: str = "qid{qid}.npz",
        key: str = "last_hidden_state",
    ):
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; expected text features in it, one {pattern} per query")
        if not queries:
            raise InputError(f"{folder}: no queries to read text features for")
        self.tokens: dict[int | str, np.ndarray] = {}
        digest = hashlib.sha256()
        self.width = 0
        for query in queries:
            path = folder / pattern.format(qid=query.qid, vid=query.vid)
            tokens = read_tokens(path, key)
            self.width = self.width or tokens.shape[1]
            if tokens.shape[1] != self.width:
                raise InputError(f"{path}: width {tokens.shape[1]}; the first query has {self.width}; encode it again")
            self.tokens[query.qid] = normalise(tokens)
            digest.update(f"{query.qid}{tokens.shape}".encode() + tokens.tobytes())
        self.digest = digest.hexdigest()

    def __call__(self, query: Query) -> np.ndarray:
        """Token features (N, width) float32 of one of the queries."""
        return self.tokens[query.qid]


def read_tokens(path: Path, key: str) -> np.ndarray:
    """Token features (N, Dt) float32 of one file; InputError names a file that is missing, damaged or empty."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; encode this query or drop it from the annotations")
    array = read_array(path, key)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{path}: text features of shape {array.shape}; expected (tokens, width); encode it again")
    return check_finite_rows(array, path)
