"""Training on packed features that do not fit into memory: memory, seconds to start, share of the time spent waiting.

    python experiments/benchmarks/large_data.py --out reports/benchmark_large_data.csv

A synthetic set of each size is written to a temporary folder (100,000 videos of 30 clips and 256 values: 1.6 GB of
disk) and opened as `--data FOLDER --packed FOLDER/packed` opens it. Each row is a process of its own that may take
`--limit-mb` of memory beyond what Python and its libraries need (RLIMIT_DATA: whatever no file backs); the features as
float32 take `features_mb`, which the row `in memory` tries and the operating system refuses. The features are dropped
from the page cache before each row. `load_s` is the opening of the data, `fit_s` one reading of all clips for the
standardisation of inputs; then `--steps` steps of a small model follow, from a shuffled epoch. `memory_mb` and
`loader_mb` are the most of this process and of its largest loader process, both without pages of files;
`grown_mb` is by how much the first rises after the tenth step. `waiting` is the share of the steps' time in which
training waited for a batch, after the first one. Memory is read from /proc (Linux). Five minutes on two cores.
"""

import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import snnvtg
from measuring import Company, in_own_process
from quiet import run
from snnvtg.data import DataSplits, load_folder
from snnvtg.data.loading import Loader
from snnvtg.data.packed import ROWS, write_packed
from snnvtg.energy.report_format import to_markdown
from snnvtg.errors import InputError
from snnvtg.plots.scaling import large_data_figure
from snnvtg.reporting import provenance, save_both, write_csv, write_json, write_text

WORDS, WORD_WIDTH, OTHERS, POOL, WARM = 2000, 50, 50, 500, 10


@dataclass(frozen=True)
class Options:
    """Benchmark training on large data."""

    videos: tuple[int, ...] = (1_000, 10_000, 100_000)
    """training videos, one query each"""
    loaders: tuple[int, ...] = (0, 1, 2)
    steps: int = 100
    batch_size: int = 64
    clips: int = 30
    width: int = 256
    limit_mb: int = 512
    """memory that a process may take beyond Python and its libraries"""
    folder: Path | None = None
    """where the sets are written; none: a temporary folder"""
    out: Path | None = None
    """CSV; a JSON with provenance, a Markdown file and a figure are written beside it"""


def main(options: Options) -> None:
    """Make, train, print."""
    if min(options.videos) < options.batch_size or min(options.loaders) < 0 or options.steps <= WARM:
        raise InputError(f"videos, loaders, steps: expected more than a batch, at least 0 and more than {WARM}")
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        for videos in options.videos:
            folder = Path(scratch) / str(videos)
            in_own_process(make, folder, videos, options)
            for loaders in (None, *options.loaders):
                company = Company()
                found = in_own_process(measure, folder, loaders, options)
                rows.append(size_of(folder, videos, options) | found | {"others": company.share()})
                print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    if options.out:
        write(table, options)


def size_of(folder: Path, videos: int, options: Options) -> dict[str, float]:
    """What the row is of: the number of videos, and the megabytes of their features on disk and as float32."""
    as_read = videos * options.clips * (options.width + 2) * 4
    disk = (folder / "packed" / ROWS).stat().st_size
    return {"videos": videos, "disk_mb": disk / 1e6, "features_mb": as_read / 1e6}


def make(folder: Path, videos: int, options: Options) -> None:
    """A data set of noise: annotations, word vectors, packed features."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    words = [f"word{number}" for number in range(WORDS)]
    vectors = generator.standard_normal((WORDS, WORD_WIDTH))
    lines = (f"{word} {' '.join(f'{x:.3f}' for x in row)}\n" for word, row in zip(words, vectors, strict=True))
    (folder / "glove.noise.txt").write_text("".join(lines))
    numbers = iter(range(videos + 2 * OTHERS))
    for split, size in {"train": videos, "val": OTHERS, "test": OTHERS}.items():
        with (folder / f"{split}.jsonl").open("w") as file:
            file.writelines(json.dumps(query(number, words, options)) + "\n" for number in islice(numbers, size))
    pool = generator.standard_normal((POOL, options.clips, options.width), dtype=np.float32)
    noise = ((f"video{number}", pool[number % POOL]) for number in range(videos + 2 * OTHERS))
    write_packed(noise, folder / "packed", ["noise"], dtype="float16")


def query(number: int, words: list[str], options: Options) -> dict[str, Any]:
    """A line of the annotations."""
    generator = np.random.default_rng(number)
    start = int(generator.integers(options.clips - 5))
    said = " ".join(words[place] for place in generator.integers(WORDS, size=8))
    place = {"qid": number, "vid": f"video{number}", "duration": float(options.clips)}
    return {**place, "query": said, "relevant_windows": [[start, start + 5]]}


def measure(folder: Path, loaders: int | None, options: Options) -> dict[str, Any]:
    """A row: training with so many loaders; None is the attempt to hold all features in memory."""
    torch.set_num_threads(1)
    forget(folder / "packed" / ROWS)
    most = status("VmData") + options.limit_mb * 1000**2
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    way = {"features": "in memory" if loaders is None else "packed", "loaders": loaders or 0}
    begun = time.perf_counter()
    data = load_folder(folder, packed=folder / "packed")
    way["load_s"] = time.perf_counter() - begun
    if loaders is not None:
        return way | {"outcome": "trained"} | trained(data, loaders, options)
    try:
        videos = {vid: data.train.videos[vid] for vid in data.train.videos}
        return (
            way | {"outcome": "trained"} | trained(replace(data, train=replace(data.train, videos=videos)), 0, options)
        )
    except (MemoryError, RuntimeError) as error:  # numpy's and torch's way of saying it
        return way | {"outcome": f"no memory ({type(error).__name__})"}


def trained(data: DataSplits, loaders: int, options: Options) -> dict[str, float]:
    """Seconds, memory and the share of waiting of a number of steps."""
    torch.manual_seed(0)
    recipe = snnvtg.recipe("demo", "model.width=32", "model.num_blocks=1", "model.num_heads=2")
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    begun = time.perf_counter()
    model.fit(data.train)
    found = {"fit_s": time.perf_counter() - begun}
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    memory: list[float] = []
    with Loader(data.train, options.batch_size, loaders) as loader:
        begun = time.perf_counter()
        batches = epochs(loader)
        batch = next(batches)
        found["first_batch_s"] = time.perf_counter() - begun
        waited, begun = loader.total_waited, time.perf_counter()
        for _ in range(options.steps):
            loss = sum(model.losses(model(batch), batch).values())
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            batch = next(batches)
            memory.append(status("RssAnon") / 1e6)
        spent = time.perf_counter() - begun
        found |= {"step_ms": 1e3 * spent / options.steps, "waiting": (loader.total_waited - waited) / spent}
        loader_mb = max(
            (status("RssAnon", child.pid) / 1e6 for child in multiprocessing.active_children()), default=0.0
        )
    return found | {"memory_mb": max(memory), "grown_mb": max(memory) - memory[WARM], "loader_mb": loader_mb}


def epochs(loader: Loader) -> Iterator:
    """Batches without end."""
    seed = 0
    while True:
        yield from loader.batches(seed=seed)
        seed += 1


def status(name: str, process: int | str = "self") -> int:
    """A figure of /proc/PID/status in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:"))) * 1024


def forget(path: Path) -> None:
    """Drop a file's pages from the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def write(table: pd.DataFrame, options: Options) -> None:
    """The table, what made it, the same to be read, and a figure."""
    out, told = options.out, provenance(config=options)
    write_csv(table, out)
    write_json(told, out.with_suffix(".json"))
    save_both(large_data_figure(table), out.with_suffix(".png"))
    words = [
        "# Training on packed features larger than memory",
        f"`{told['command']}`, {told['device']}; {options.clips} clips of {options.width} values a video, float16 on "
        f"disk; each process may take {options.limit_mb} MB beyond Python and its libraries. Other processes took "
        f"{table['others'].max():.0%} of the machine at the most.",
        f"![Memory, seconds to start and waiting against the number of videos]({out.stem}.png)",
        to_markdown(table.drop(columns="others")),
        "`features_mb`: the features as float32. `memory_mb`, `loader_mb`: the most of the training process, and of "
        "its largest loader process, without pages of files. `grown_mb`: by how much the first rose after the tenth "
        "step. `waiting`: share of the steps' time spent waiting for a batch.",
    ]
    write_text("\n\n".join(words) + "\n", out.with_suffix(".md"))


if __name__ == "__main__":
    run(Options, main, __doc__)
