"""Text features from GloVe vectors in the usual text format: a word, then its numbers, one word per line."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from snnvtg.errors import InputError
from snnvtg.records import Query

MARKED_WORDS = 64
_TOKEN = re.compile(r"[a-z0-9]+(?=n't\b)|n't\b|'[a-z]+|[a-z0-9]+(?:-[a-z0-9]+)*")


class TextEncoder(Protocol):
    """Turns a query into its token features; `digest` changes when the features do.

    `marks` tell encoders of one name apart, whatever they are asked: two that hold one key with other values differ.
    """

    name: str
    width: int
    digest: str
    marks: Mapping[str, str]

    def __call__(self, query: Query) -> np.ndarray:
        """Token features (N, width) float32, N ≥ 1."""
        ...


def tokenise(text: str) -> list[str]:
    """Lower-case words as GloVe cuts them: 's, 're and n't stand alone, hyphenated words stay whole.

    Punctuation is dropped; a text without a word or number gives [].
    """
    return _TOKEN.findall(text.lower().replace("’", "'"))


def unread_words(text: str, vectors: np.ndarray) -> list[str]:
    """The words of `text` that its token features (N, D) tell nothing of, all zero: those the word vectors lack."""
    blank = ~np.any(vectors.reshape(len(vectors), -1), axis=1)
    whole = tokenise(text)
    for words in (whole, [part for word in whole for part in word.split("-")]):
        if len(words) == len(blank):
            return [word for word, empty in zip(words, blank, strict=True) if empty]
    return [f"word {i}" for i in np.flatnonzero(blank) + 1]


class GloveText:
    """Word vectors of a query's tokens.

    Unknown words: a hyphenated one is split at its hyphens; any other keeps its place with the zero vector and is
    counted in `unknown` (word → times). A file that knows less than half of the tokens of `texts` is refused. `marks`
    has a checksum for the vector of each of the commonest words.
    """

    name = "glove"

    def __init__(self, path: Path | str, texts: Iterable[str]):
        self.path = Path(path)
        counts = Counter(token for text in texts for token in tokenise(text))
        wanted = {part for token in counts for part in (token, *token.split("-"))}
        self.vectors, self.width, self.digest = read_glove(self.path, wanted)
        self.unknown = {token: times for token, times in counts.items() if not self._known(token)}
        total = sum(times * len(self._words(token)) for token, times in counts.items())
        missed = sum(self.unknown.values())
        if 2 * missed > total:
            example = next(iter(self.unknown))
            raise InputError(
                f"{self.path}: knows {total - missed} of {total} query words (not {example!r}); "
                "name the vectors that belong to these queries"
            )
        read = [token for token in counts if token in self.vectors]
        common = sorted(read, key=lambda word: (-counts[word], word))[:MARKED_WORDS]
        self.marks = {word: hashlib.sha256(self.vectors[word].tobytes()).hexdigest()[:16] for word in common}

    def __call__(self, query: Query) -> np.ndarray:
        """Token features (N, width) float32; InputError where the query has no word at all."""
        return self.encode(query.query, f"qid {query.qid}")

    def encode(self, text: str, place: str = "query") -> np.ndarray:
        """Token features of a raw text; `place` goes into the message."""
        self.check(text, place)
        zero = np.zeros(self.width, dtype=np.float32)
        words = [word for token in tokenise(text) for word in self._words(token)]
        return np.stack([self.vectors.get(word, zero) for word in words])

    def check(self, text: str, place: str = "query") -> None:
        """InputError where a raw text has no word at all; `place` goes into the message."""
        if not _TOKEN.search(text.lower()):
            raise InputError(f"{place}: no word in {text!r}; expected a sentence")

    def _known(self, token: str) -> bool:
        return any(word in self.vectors for word in self._words(token))

    def _words(self, token: str) -> list[str]:
        if token in self.vectors:
            return [token]
        parts = token.split("-")
        return parts if any(part in self.vectors for part in parts) else [token]


def read_glove(path: Path, wanted: set[str]) -> tuple[dict[str, np.ndarray], int, str]:
    """Vectors (D,) float32 of the `wanted` words, the width D, and a digest of them.

    Only wanted lines are parsed, so a file of millions of words reads in seconds.
    """
    vectors: dict[str, np.ndarray] = {}
    width = 0
    try:
        with path.open("rb") as lines:
            for line_number, line in enumerate(lines, start=1):
                word, _, rest = line.rstrip().partition(b" ")
                width = width or _width(rest, f"{path}:{line_number}")
                name = word.decode("utf-8", errors="replace")
                if name in wanted and name not in vectors:
                    vectors[name] = _vector(rest, width, f"{path}:{line_number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected GloVe vectors as text") from None
    if not width:
        raise InputError(f"{path}: empty; expected GloVe vectors, a word and its numbers per line")
    digest = hashlib.sha256()
    for name in sorted(vectors):
        digest.update(name.encode() + b"\0" + vectors[name].tobytes())
    return vectors, width, digest.hexdigest()


def _width(rest: bytes, place: str) -> int:
    width = len(rest.split())
    if width < 2:
        raise InputError(f"{place}: {width} numbers after the word; expected a GloVe text file (no header line)")
    return width


def _vector(rest: bytes, width: int, place: str) -> np.ndarray:
    try:
        # a number beyond float32 becomes inf and is refused below
        with np.errstate(over="ignore"):
            vector = np.array(rest.split(), dtype=np.float32)
    except ValueError as error:
        raise InputError(f"{place}: not a row of numbers ({error}); download the vectors again") from None
    if len(vector) != width or not np.isfinite(vector).all():
        raise InputError(
            f"{place}: {len(vector)} numbers or not all finite; expected {width}; download the vectors again"
        )
    return vector
