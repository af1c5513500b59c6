"""Check a data set's files before training: every query, every feature file, all faults at once.

    python experiments/tools/check_data.py --annotations train.jsonl val.jsonl test.jsonl --features features/clip \\
        --glove glove.300d.txt
    python experiments/tools/check_data.py --dataset qvhighlights --annotations val.jsonl --features features/clip

Seconds for a thousand videos. Prints a table of what is wrong and ends with status 1, or prints what the folder holds
with its checksum (with `--glove`, the one that reports carry) and ends with 0. `--out FILE.csv` keeps the table.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snnvtg.cli.command import CommandOptions, run
from snnvtg.data.benchmarks import benchmark
from snnvtg.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from snnvtg.data.manifest import Manifest


@dataclass(frozen=True)
class Options(CommandOptions):
    """Check a data set's files."""

    annotations: tuple[Path, ...]
    """jsonl files, one per split"""
    features: tuple[Path, ...]
    """folders of {vid}.npz or .npy, in the order they are concatenated"""
    dataset: str = "charades_sta"
    glove: Path | None = None
    """GloVe text file the queries are encoded with"""
    clip_length: float | None = None
    """seconds a row covers; none: the data set's"""
    out: Path | None = None
    """CSV of the faults"""


def main(options: Options) -> None:
    """Check and print."""
    import pandas as pd

    from snnvtg.data.manifest import check_files
    from snnvtg.reporting import write_csv

    if not options.annotations or not options.features:
        raise InputError("annotations and features: name at least one file and one folder")
    kind = benchmark(options.dataset)
    clip_length = kind.clip_length if options.clip_length is None else options.clip_length
    if not clip_length > 0:
        raise InputError(f"clip_length is {clip_length}; expected seconds above 0")
    manifest = check_files(options.annotations, options.features, clip_length, parse=kind.parse, glove=options.glove)
    table = pd.DataFrame([vars(fault) for fault in manifest.faults], columns=["kind", "place", "message"])
    if options.out:
        write_csv(table, options.out)
    print(summary(manifest, table))
    if manifest.faults:
        raise SystemExit(1)


def summary(manifest: "Manifest", table: "pd.DataFrame") -> str:
    """What the files hold, then what is wrong."""
    from snnvtg.terminal import table_text

    held = (
        f"{manifest.num_queries} queries, {manifest.num_videos} videos, {manifest.num_clips} clips, "
        f"widths {' + '.join(map(str, manifest.widths)) or 'unknown'}"
    )
    if manifest.unknown:
        common = sorted(manifest.unknown, key=lambda word: (-manifest.unknown[word], word))[:10]
        times = ", ".join(f"{word:.30} {manifest.unknown[word]}" for word in common)
        held += (
            f"\n{len(manifest.unknown)} words without a vector, read as nothing {sum(manifest.unknown.values())} times"
        )
        held += f" (most often: {times})"
    if table.empty:
        return f"{held}\nno fault found; checksum {manifest.checksum}"
    counts = ", ".join(f"{count} {kind}" for kind, count in table["kind"].value_counts().items())
    return f"{held}\n{table_text(table)}\n{len(table)} faults: {counts}"


if __name__ == "__main__":
    run(Options, main, __doc__)
