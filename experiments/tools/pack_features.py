"""Pack a data set's features into one memory-mapped file, for data larger than memory or a GPU that waits.

    python experiments/tools/pack_features.py --annotations train.jsonl val.jsonl test.jsonl \
        --features features/slowfast features/clip --out packed

Train from it with `load_folder(folder, packed="packed")`. Backbones are normalised and joined in the order given.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from snnvtg.cli.command import CommandOptions, run
from snnvtg.data.benchmarks import benchmark
from snnvtg.data.packed import pack_features
from snnvtg.errors import InputError


@dataclass(frozen=True)
class Options(CommandOptions):
    """Pack features."""

    annotations: tuple[Path, ...]
    """jsonl files whose videos are packed"""
    features: tuple[Path, ...]
    """folders of {vid}.npz or .npy, in the order they are concatenated"""
    out: Path
    """folder to make"""
    dataset: str = "charades_sta"
    dtype: Literal["float32", "float16"] = "float32"
    """float16 halves the file and rounds"""


def main(options: Options) -> None:
    """Pack and print."""
    if not options.annotations or not options.features:
        raise InputError("annotations and features: name at least one file and one folder")
    kind = benchmark(options.dataset)
    vids = [query.vid for path in options.annotations for query in kind.read(path)]
    packed = pack_features(vids, options.features, options.out, dtype=options.dtype)
    clips = sum(packed.num_clips(vid) for vid in packed)
    print(f"{len(packed)} videos, {clips} clips, width {packed.width}; checksum {packed.checksum}; wrote {options.out}")


if __name__ == "__main__":
    run(Options, main, __doc__)
