"""How fast features are read: one npz per item, packed and memory-mapped, held in memory, and made by workers.

    python experiments/benchmarks/features.py --data FOLDER --out reports/benchmark_features.csv

About a minute for a thousand videos. Every row reads the same shuffled queries of train and makes the same padded
batches; clips per second count real clips, not padding. The files are read once before, so that all rows find them in
the page cache.
"""

import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from quiet import run
from snnvtg.data import load_folder
from snnvtg.data.features import load_video
from snnvtg.data.folder import find_feature_folders
from snnvtg.data.loading import Loader
from snnvtg.data.packed import pack_features
from snnvtg.records import Batch
from snnvtg.reporting import provenance, write_csv, write_json


@dataclass(frozen=True)
class Options:
    """Benchmark feature reading."""

    data: Path
    """folder with train.jsonl, features/ and glove*.txt"""
    clip_length: float = 1.0
    batch_size: int = 64
    workers: int = 2
    repeats: int = 3
    out: Path | None = None
    """CSV; a JSON with provenance is written beside it"""


class Files(Mapping[str, np.ndarray]):
    """vid → features, read from its npz at each access."""

    def __init__(self, vids: Iterable[str], folders: tuple[Path, ...]):
        self.vids, self.folders = tuple(vids), folders

    def __getitem__(self, vid: str) -> np.ndarray:
        return load_video(vid, self.folders)

    def __iter__(self):
        return iter(self.vids)

    def __len__(self) -> int:
        return len(self.vids)


def main(options: Options) -> None:
    """Time one epoch each way."""
    torch.set_num_threads(1)
    data = load_folder(options.data, clip_length=options.clip_length)
    folders = find_feature_folders(options.data, None)
    memory = data.train
    vids = dict.fromkeys(query.vid for query in memory.queries)
    size = options.batch_size
    with tempfile.TemporaryDirectory() as scratch:
        ways = {"npz per item": replace(memory, videos=Files(vids, folders))}
        for dtype in ("float32", "float16"):
            packed = pack_features(list(vids), folders, Path(scratch) / dtype, dtype=dtype)
            ways[f"packed {dtype}"] = replace(memory, videos=packed)
        ways["in memory"] = memory
        rows = [(name, 0, *timed(lambda w=way: w.batches(size, seed=0), options.repeats)) for name, way in ways.items()]
        for name in ("npz per item", "packed float32"):
            with Loader(ways[name], size, options.workers) as loader:
                batches = lambda made=loader: made.batches(seed=0)  # noqa: E731
                rows.append((name, options.workers, *timed(batches, options.repeats)))
    table = pd.DataFrame(
        rows, columns=["features", "workers", "clips_per_second", "seconds_per_epoch", "first_batch_s"]
    )
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if options.out:
        write_csv(table, options.out)
        write_json(provenance(data=data.name, checksum=data.checksum, config=options), options.out.with_suffix(".json"))


def timed(batches, repeats: int) -> tuple[float, float, float]:
    """(clips per second, seconds per epoch) after the first batch, medians over repeats; seconds to the first batch."""
    epochs = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        made = iter(batches())
        next(made)
        begun = time.perf_counter()
        clips = sum(valid_clips(batch) for batch in made)
        epochs.append((time.perf_counter() - begun, begun - start, clips))
    seconds, first, clips = np.median(epochs[1:], axis=0)
    return clips / seconds, seconds, first


def valid_clips(batch: Batch) -> int:
    """Clips of a batch that are not padding."""
    return int(batch.video_mask.sum())


if __name__ == "__main__":
    run(Options, main, __doc__)
