"""Search of a store of videos: time of a query, memory and recall, exact and approximate, against the store's size.

    python experiments/benchmarks/retrieval_index.py --out reports/benchmark_retrieval_index.csv
    python experiments/benchmarks/retrieval_index.py --videos 1000 3000 10000 30000 100000 1000000 --out BIG.csv

The vectors are synthetic: each video has a random centre, each segment lies around it, and each query around a segment
(as far from it as `--noise` says); real ones may be easier or harder to index. Each row is a process of its own, whose
memory is that which no file backs: the mapped store is not in it. `base_mb` is there before the store is opened,
`memory_mb` after the queries, in `open_ms` the search is ready. `query_ms` is the median for one query at a time, its
store in the page cache, `batch_ms` per query of 64 at once. `recall@10` is the share of the exact search's ten best
videos found; `own@1` how often the video a query was drawn from comes first. Two minutes on one core; a million
videos take 6 GB of disk and twenty minutes, nearly all of it the making of faiss's index (in one thread:
OMP_NUM_THREADS=1; more of them wait for one another on a busy machine). faiss rows need
the extra `faiss`, and are left out with a note where it is missing. A JSON, a Markdown table and a figure go with the
CSV.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from measuring import Company, in_own_process
from quiet import run
from snnvtg.applications.approximate import INDEX, ApproximateSearch, build
from snnvtg.applications.store import Entry, Part, Store
from snnvtg.applications.vector_search import VectorSearch
from snnvtg.data.extras import require
from snnvtg.energy.report_format import to_markdown
from snnvtg.errors import InputError
from snnvtg.plots.scaling import retrieval_figure
from snnvtg.reporting import provenance, save_both, write_csv, write_json, write_text

TOP, BATCH = 10, 64
GROWN = ("add_s", "index_s", "open_ms", "query_ms", "batch_ms", "searching_mb", "store_mb", "index_mb")
"""what is compared with the number of videos; `searching_mb` is the memory that came with the search"""


@dataclass(frozen=True)
class Options:
    """Benchmark the search of a store."""

    videos: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000, 100_000)
    segments: int = 16
    """vectors of a video"""
    width: int = 64
    dtype: Literal["float32", "float16"] = "float32"
    methods: tuple[Literal["exact", "faiss"], ...] = ("exact", "faiss")
    probes: tuple[int, ...] = (16, 64, 256, 1024)
    """lists of the inverted file that faiss reads"""
    candidates: int = 1000
    """segments faiss is asked for"""
    queries: int = 64
    noise: float = 1.0
    """length of the noise between a query and its segment, both of about unit length"""
    folder: Path | None = None
    """where the stores are written; none: a temporary folder"""
    out: Path | None = None
    """CSV; a JSON with provenance, a Markdown file and a figure are written beside it"""


def main(options: Options) -> None:
    """Make, search, print."""
    methods = available(options.methods)
    table = pd.DataFrame()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        for videos in options.videos:
            company = Company()
            rows = measured(Path(scratch) / str(videos), videos, methods, options)
            table = pd.concat([table, pd.DataFrame(rows).assign(others=company.share())])
            print(table.tail(len(rows)).to_string(index=False, float_format="{:.4g}".format), flush=True)
    print(slopes(table).to_string(float_format="{:.3f}".format))
    if options.out:
        write(table, options)


def write(table: pd.DataFrame, options: Options) -> None:
    """The table, what made it, the same to be read, and a figure."""
    out, found = options.out, slopes(table)
    told = provenance(config=options, slopes=found.to_dict("index"))
    write_csv(table, out)
    write_json(told, out.with_suffix(".json"))
    save_both(retrieval_figure(table), out.with_suffix(".png"))
    words = [
        "# Search of a store of videos",
        f"`{told['command']}`, {told['device']}; {options.segments} vectors of width {options.width} a video, "
        f"{options.dtype}. Other processes took {table['others'].max():.0%} of the machine at the most.",
        f"![Time, memory and recall against the number of videos]({out.stem}.png)",
        to_markdown(table.drop(columns="others")),
        "By what power of the number of videos each grows (1: in proportion; fitted to all sizes above):",
        to_markdown(found.rename_axis("search").reset_index(), 2),
    ]
    write_text("\n\n".join(words) + "\n", out.with_suffix(".md"))


def measured(folder: Path, videos: int, methods: list[str], options: Options) -> list[dict]:
    """A row for the exact search of a store of so many videos, and one for each number of probes."""
    made = in_own_process(make, folder, videos, options)
    exact = in_own_process(measure_exact, folder, videos, options)
    best = exact.pop("best")
    rows = [{"videos": videos, "method": "exact", **made, **exact, "recall@10": 1.0}] if "exact" in methods else []
    if "faiss" in methods:
        made |= in_own_process(index, folder)
        for probes in options.probes:
            found = in_own_process(measure_faiss, folder, videos, options, probes, best)
            rows.append({"videos": videos, "method": "faiss", **made, **found})
    return rows


def available(methods: tuple[str, ...]) -> list[str]:
    """The methods whose library is there."""
    try:
        require("faiss", "faiss", "an approximate index")
    except InputError as error:
        print(f"left out: {error}")
        return [method for method in methods if method != "faiss"]
    return list(methods)


def centre_of(video: int, options: Options) -> tuple[np.random.Generator, np.ndarray]:
    """A video's generator and direction."""
    generator = np.random.default_rng([0, video])
    return generator, generator.standard_normal(options.width) / options.width**0.5


def vectors_of(video: int, options: Options) -> np.ndarray:
    """Segments (M, d) of a synthetic video, the same each time."""
    generator, centre = centre_of(video, options)
    around = generator.standard_normal((options.segments, options.width)) / options.width**0.5
    return ((centre + around) / 2**0.5).astype(np.float32)


def asked(videos: int, options: Options) -> tuple[np.ndarray, list[str]]:
    """Queries (Q, d), each near one segment of a video, and the videos."""
    generator = np.random.default_rng(1)
    owners = generator.integers(videos, size=options.queries)
    near = np.stack([vectors_of(int(video), options)[generator.integers(options.segments)] for video in owners])
    noise = options.noise * generator.standard_normal(near.shape) / options.width**0.5
    return (near + noise).astype(np.float32), [str(video) for video in owners]


def make(folder: Path, videos: int, options: Options) -> dict[str, float]:
    """A store of synthetic videos."""
    begun = time.perf_counter()
    store = Store.create(folder, options.width, {"made": "synthetic"}, options.dtype)
    store.add(Entry(str(video), (Part(0.0, 30.0, vectors_of(video, options)),)) for video in range(videos))
    size = sum(path.stat().st_size for path in folder.rglob("*.bin"))
    return {"add_s": time.perf_counter() - begun, "store_mb": size / 1e6}


def index(folder: Path) -> dict[str, float]:
    """The approximate index of a store."""
    begun = time.perf_counter()
    build(VectorSearch(Store(folder)))
    return {"index_s": time.perf_counter() - begun, "index_mb": (folder / INDEX).stat().st_size / 1e6}


def measure_exact(folder: Path, videos: int, options: Options) -> dict:
    """Times and memory of the exact search, and the vids it finds best."""
    opened = {"base_mb": own_memory_mb()}
    begun = time.perf_counter()
    search = VectorSearch(Store(folder))
    opened["open_ms"] = 1e3 * (time.perf_counter() - begun)
    queries, owners = asked(videos, options)
    found = search.exact(queries, TOP)  # once, so that the store is in the page cache
    figures = opened | timed(lambda some: search.exact(some, TOP), queries)
    return {**figures, "own@1": first(found, owners), "best": [[hit.vid for hit in hits] for hits in found]}


def measure_faiss(folder: Path, videos: int, options: Options, probes: int, best: list[list[str]]) -> dict:
    """Times, memory and recall of the approximate search."""
    opened = {"base_mb": own_memory_mb()}
    begun = time.perf_counter()
    search = ApproximateSearch(VectorSearch(Store(folder)), probes=probes, candidates=options.candidates)
    opened["open_ms"] = 1e3 * (time.perf_counter() - begun)
    queries, owners = asked(videos, options)
    found = search.nearest(queries, TOP)
    shares = [len({hit.vid for hit in hits} & set(vids)) / len(vids) for hits, vids in zip(found, best, strict=True)]
    figures = opened | timed(lambda some: search.nearest(some, TOP), queries)
    return {"probes": probes, **figures, "own@1": first(found, owners), "recall@10": float(np.mean(shares))}


def first(found: list, owners: list[str]) -> float:
    """How often a query's own video comes first."""
    return float(np.mean([hits[0].vid == owner for hits, owner in zip(found, owners, strict=True) if hits]))


def timed(search, queries: np.ndarray) -> dict[str, float]:
    """Milliseconds of a query alone and in a batch, and the memory of this process that no file backs."""
    alone = []
    for query in queries:
        begun = time.perf_counter()
        search(query[None])
        alone.append(time.perf_counter() - begun)
    batch, begun = np.resize(queries, (BATCH, queries.shape[1])), time.perf_counter()
    search(batch)
    together = (time.perf_counter() - begun) / BATCH
    return {"query_ms": 1e3 * float(np.median(alone)), "batch_ms": 1e3 * together, "memory_mb": own_memory_mb()}


def own_memory_mb() -> float:
    """Anonymous memory of this process in MB: the mapped store, which the system may drop, is not in it (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1e3


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """By what power of the number of videos times and memory grow, for each method and number of probes."""
    found = {}
    table = table.assign(searching_mb=table["memory_mb"] - table["base_mb"])
    for name, part in table.assign(probes=table.get("probes", 0)).fillna({"probes": 0}).groupby(["method", "probes"]):
        grown = [column for column in GROWN if column in part and part[column].gt(0).all()]
        if len(part) > 1:
            of_size = np.log(part["videos"])
            found[f"{name[0]} {name[1]:g}".removesuffix(" 0")] = {
                column: float(np.polyfit(of_size, np.log(part[column]), 1)[0]) for column in grown
            }
    return pd.DataFrame.from_dict(found, orient="index")


if __name__ == "__main__":
    run(Options, main, __doc__)
