"""A folder of random features and annotations at the size of QVHighlights, to train on where the real ones are not.

    python experiments/tools/random_features.py --out random
    python experiments/train.py --dataset qvhighlights --features random --splits train val test --split test \\
        --preset paper

7,218 queries to train on and 1,550 to validate on, each with a video of its own of 75 clips (SlowFast 2304, CLIP 512)
and 20 CLIP tokens of 512; 16 to test on, because costs are counted query by query. The annotations have windows and
ratings, which nothing in the features tells. Only --distinct different videos lie on the disk, under all the names.
With `--layers K` the features are those of K layers of CLIP ViT-B/32, patches kept, in features/clip_kK.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnvtg.cli.command import CommandOptions, run
from snnvtg.data import write_annotations
from snnvtg.errors import InputError
from snnvtg.records import Query

CLIPS, CLIP_LENGTH = 75, 2.0
WIDTHS = {"slowfast": 2304, "clip": 512}
TOKENS, TEXT_WIDTH = 20, 512
PLACES, LAYER_WIDTH = 50, 768
"""class token and patches of a frame, and their width"""


@dataclass(frozen=True)
class Options(CommandOptions):
    """Make random features."""

    out: Path
    """folder to make, in the layout `plain`"""
    queries: tuple[int, int, int] = (7218, 1550, 16)
    """of train, val and test"""
    distinct: int = 64
    layers: int | None = None
    """K; none: SlowFast and final-layer CLIP"""


def main(options: Options) -> None:
    """Write features and annotations."""
    if min(options.queries) < 1 or options.distinct < 1:
        raise InputError("queries and distinct: expected at least 1 of each")
    generator = np.random.default_rng(0)
    ends = np.cumsum(options.queries)
    names = [f"v{i}" for i in range(ends[-1])]
    features = options.out / "features"

    def drawn(*shape: int) -> Iterator[np.ndarray]:
        return (generator.standard_normal(shape, np.float32) for _ in range(options.distinct))

    if options.layers is None:
        for backbone, width in WIDTHS.items():
            linked(features / backbone, names, drawn(CLIPS, width), archive("features"))
        qids = [f"qid{i}" for i in range(ends[-1])]
        linked(features / "clip_text", qids, drawn(TOKENS, TEXT_WIDTH), archive("last_hidden_state"))
    else:
        name, layers = f"clip_k{options.layers}", options.layers
        linked(features / name, names, drawn(CLIPS, layers, PLACES, LAYER_WIDTH), in_half)
        qids = [str(i) for i in range(ends[-1])]
        linked(features / f"{name}_text", qids, drawn(TOKENS, layers, TEXT_WIDTH), in_half)
    for split, first, last in zip(("train", "val", "test"), (0, *ends), ends, strict=False):
        made = [query(i, generator) for i in range(first, last)]
        write_annotations(made, options.out / f"highlight_{split}_release.jsonl")
    print(f"{ends[-1]} queries of {CLIPS} clips; wrote {options.out}")


Write = Callable[[Path, np.ndarray], Path]


def archive(key: str) -> Write:
    """Writes an npz under this key, and says its path."""

    def write(path: Path, array: np.ndarray) -> Path:
        path = path.with_name(f"{path.name}.npz")
        np.savez(path, **{key: array})
        return path

    return write


def in_half(path: Path, array: np.ndarray) -> Path:
    """Writes an npy in half precision, and says its path."""
    path = path.with_name(f"{path.name}.npy")
    np.save(path, array.astype(np.float16))
    return path


def linked(folder: Path, names: list[str], arrays: Iterator[np.ndarray], write: Write) -> None:
    """Each of `names` as a file in `folder`; after the last of `arrays` they begin anew, as links."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [write(folder / name, array) for name, array in zip(names, arrays, strict=False)]
    for i, name in enumerate(names[len(made) :]):
        path = folder / f"{name}{made[0].suffix}"
        path.unlink(missing_ok=True)
        os.link(made[i % len(made)], path)


def query(qid: int, generator: np.random.Generator) -> Query:
    """A query with one window of 5 to 25 clips and three ratings of each of its clips."""
    length = int(generator.integers(5, 26))
    first = int(generator.integers(0, CLIPS - length))
    clips = tuple(range(first, first + length))
    ratings = tuple(tuple(int(r) for r in generator.integers(1, 5, 3)) for _ in clips)
    window = (first * CLIP_LENGTH, (first + length) * CLIP_LENGTH)
    return Query(qid, f"query {qid}", f"v{qid}", CLIPS * CLIP_LENGTH, (window,), clips, ratings)


if __name__ == "__main__":
    run(Options, main, __doc__)
