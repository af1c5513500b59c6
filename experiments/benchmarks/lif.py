"""LIF backends against one another and against memory bandwidth.

    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/lif.py
    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/lif.py --profile
    python experiments/benchmarks/lif.py --device cuda

Writes reports/benchmark_lif.csv (or benchmark_lif_gpu.csv), a figure and the provenance beside it; `--profile` writes
reports/benchmark_lif_profile.csv instead: where the time of `fused` on the CPU goes. Two to three
minutes on two cores. Expected there: `fused` forward+backward within 3 times the floor (24 bytes a value at the
bandwidth of a 256 MB copy), more than 8 times faster than snnTorch and 4 times faster than SpikingJelly. On a GPU the
shapes are the same plus linear + LIF at batch 16, T 500, 16384 neurons.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.ticker import LogLocator, NullLocator
from tqdm import tqdm

from lif_profile import profile_fused
from lif_timing import DIRECTIONS, Setting, kept_bytes, measure, peak_mb, runnable
from measuring import Company
from snnvtg.command import run
from snnvtg.errors import InputError
from snnvtg.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED, style
from snnvtg.reporting import provenance, save_figure, write_csv, write_json

SHAPES = ((8, 16, 75, 256), (10, 8, 150, 512), (8, 64, 75, 256), (4, 256, 75, 512))
LONGER = tuple((t, 16, 75, 256) for t in (1, 2, 4, 16, 32, 64))
NEUROMORPHIC = (500, 16, 1, 16384)
COLOURS = {
    "fused": BLUE,
    "torch": GREEN,
    "spikingjelly": ORANGE,
    "spikingjelly-cupy": PURPLE,
    "snntorch": RED,
    "reference": GREY,
}


@dataclass(frozen=True)
class Options:
    """LIF backends against one another and against memory bandwidth."""

    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    backends: tuple[str, ...] = ()
    """backends to measure; all that run here by default. `fused` is always measured"""
    repeats: int = 11
    threads: int = 2
    """CPU threads"""
    profile: bool = False
    """take a call of `fused` apart instead of comparing backends (CPU)"""
    out: Path | None = None
    """CSV to write; reports/benchmark_lif.csv or reports/benchmark_lif_gpu.csv by default"""


def main(options: Options) -> None:
    """Measure, write the table, the figure and the provenance."""
    torch.set_num_threads(options.threads)
    if options.profile:
        profile(options)
        return
    present, absent = runnable(options.device)
    if "fused" not in present:
        raise InputError(f"device {options.device!r}: fused cannot run ({'; '.join(absent['fused'])})")
    unknown = set(options.backends) - set(present)
    if unknown:
        reasons = {name: absent.get(name, ["there is no such backend"]) for name in sorted(unknown)}
        raise InputError(f"--backends: {', '.join(unknown)} cannot run on {options.device}: {reasons}")
    backends = tuple(name for name in present if not options.backends or name in {*options.backends, "fused"})
    shared = {"device": options.device, "dtype": getattr(torch, options.dtype), "repeats": options.repeats}
    company = Company()
    settings = [Setting(shape, **shared) for shape in SHAPES + LONGER]
    if options.device == "cuda":
        settings.append(Setting(NEUROMORPHIC, linear=True, **shared))

    # memory first: a process that has used its threads cannot be forked
    memory = {
        (setting, backend): {d: peak_mb(backend, setting, d) for d in DIRECTIONS}
        for setting in tqdm(settings, desc="memory")
        for backend in backends
    }
    rows = []
    for setting in tqdm(settings, desc="time"):
        for row in measure(backends, setting):
            row["peak_mb"] = memory[setting, row["backend"]][row["direction"]]
            rows.append(row)
    small = Setting(SHAPES[0], **shared)
    kept = {backend: kept_bytes(backend, small) / torch.Size(small.shape).numel() for backend in backends}
    table = pd.DataFrame(rows)
    out = options.out or Path("reports") / f"benchmark_lif{'_gpu' if options.device == 'cuda' else ''}.csv"
    write_csv(arranged(table), out)
    save_figure(figure(table), out.with_suffix(".png"))
    extra = {"absent": absent, "kept_bytes_per_value": kept, "checks": checks(table)}
    extra["cpu_share_of_other_processes"] = round(company.share(), 3)
    write_json({**provenance(config=options), **extra}, out.with_suffix(".json"))
    print(table.pivot_table("median_ms", ["T", "B", "L", "C", "direction", "floor_ms"], "backend").round(2).to_string())
    print(*(f"{name}: {value}" for name, value in checks(table).items()), sep="\n")


def profile(options: Options) -> None:
    """Write where a forward+backward call of `fused` spends its time, milliseconds, a row for each shape."""
    rows, company = [], Company()
    for shape in SHAPES:
        parts = profile_fused(Setting(shape, dtype=getattr(torch, options.dtype), repeats=options.repeats))
        rows.append({"shape": "x".join(map(str, shape)), **parts})
    table = pd.DataFrame(rows).round(3)
    out = options.out or Path("reports") / "benchmark_lif_profile.csv"
    write_csv(table, out)
    share = round(company.share(), 3)
    write_json(provenance(config=options, cpu_share_of_other_processes=share), out.with_suffix(".json"))
    print(table.to_string(index=False))


def arranged(table: pd.DataFrame) -> pd.DataFrame:
    """Columns in the order of the report, numbers at the precision they deserve."""
    first = "backend device dtype T B L C direction median_ms floor_ms ratio_to_fused peak_mb".split()
    return table[[*first, *(c for c in table if c not in first)]].round(4)


def checks(table: pd.DataFrame) -> dict[str, float]:
    """The worst case over the four shapes of the issue, forward+backward: what `fused` is held to."""
    wanted = table[(table.direction == "forward+backward") & (table.case == "lif")]
    wanted = wanted[[tuple(shape) in SHAPES for shape in wanted[list("TBLC")].to_numpy().tolist()]]
    times = wanted.pivot_table("median_ms", list("TBLC"), "backend")
    floors = wanted[wanted.backend == "fused"].set_index(list("TBLC")).floor_ms
    result = {"fused_over_floor_worst": round(float((times["fused"] / floors).max()), 2)}
    for other in times.columns.drop("fused"):
        result[f"{other}_over_fused_least"] = round(float((times[other] / times["fused"]).min()), 2)
    return result


def figure(table: pd.DataFrame) -> plt.Figure:
    """Left: time over the bandwidth floor at each shape. Right: nanoseconds a value as T grows."""
    table = table[(table.direction == "forward+backward") & (table.case == "lif")].copy()
    table["shape"] = list(zip(table["T"], table.B, table.L, table.C, strict=True))
    table["over_floor"] = table.median_ms / table.floor_ms
    order = [b for b in COLOURS if b in set(table.backend)]
    with style():
        made, (left, right) = plt.subplots(1, 2, figsize=(11, 5), width_ratios=[3, 2])
        height = 0.8 / len(order)
        for i, backend in enumerate(order):
            mine = table[table.backend == backend].set_index("shape")
            at = [row + (i - (len(order) - 1) / 2) * height for row in range(len(SHAPES))]
            over = [mine.over_floor.at[shape] for shape in SHAPES]
            left.barh(at, over, height * 0.9, color=COLOURS[backend], label=backend)
            for y, value, shape in zip(at, over, SHAPES, strict=True):
                ms = mine.median_ms.at[shape]
                left.text(value * 1.06, y, f"{ms:.1f} ms" if ms < 100 else f"{ms:.0f} ms", va="center", fontsize=7)
            grown = mine[(mine.B == 16) & (mine.C == 256)].sort_values("T")
            per_value = grown.median_ms * 1e6 / (grown["T"] * grown.B * grown.L * grown.C)
            right.plot(grown["T"], per_value, "o-", color=COLOURS[backend], label=backend)
        left.axvline(1, color=INK, lw=1.2, ls="--")
        left.set_xscale("log")
        left.set_xlim(0.8, left.get_xlim()[1] * 1.7)
        left.set_yticks(range(len(SHAPES)), [" × ".join(map(str, shape)) for shape in SHAPES])
        left.invert_yaxis()
        left.set_xlabel("time / floor (dashed: 24 bytes a value at copy bandwidth)")
        left.set_title("Forward + backward, T × batch × clips × channels")
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(order), fontsize=8.5)
        right.set_xscale("log", base=2)
        right.set_yscale("log")
        right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_locator(NullLocator())
        right.set_xticks(sorted(set(grown["T"])), sorted(set(grown["T"])))
        right.set_xlabel("T (batch 16, 75 clips, 256 channels)")
        right.set_title("Nanoseconds a value and step")
        made.tight_layout()
    return made


if __name__ == "__main__":
    run(Options, main)
