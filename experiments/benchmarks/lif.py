"""LIF backends against one another and against memory bandwidth.

    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/lif.py
    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/lif.py --profile
    python experiments/benchmarks/lif.py --device cuda

Writes reports/benchmark_lif.csv (or benchmark_lif_gpu.csv), a figure and the provenance beside it; `--profile` writes
reports/benchmark_lif_profile.csv instead: where the time of `fused` on the CPU goes. Two to three
minutes on two cores. Expected there: `fused` forward+backward within 3 times the floor (24 bytes per value at the
bandwidth of a 256 MB copy), more than 8 times faster than snnTorch and 4 times faster than SpikingJelly. On a GPU the
shapes are the same plus linear + LIF at batch 16, T 500, 16384 neurons.

The process keeps the memory it frees, as training does (`--no-keep-memory` leaves that to the C library, which then
hands every result above 32 MB back to the system: `minor_faults` counts the pages touched anew per call). The JSON
says what of the machine matters, and for which machines the ratios may be quoted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from tqdm import tqdm

import machine
from lif_profile import profile_fused
from lif_timing import DIRECTIONS, Setting, kept_bytes, measure, peak_mb, runnable
from measuring import Company
from quiet import run
from snnvtg.errors import InputError
from snnvtg.files import check_writable
from snnvtg.memory import keep_freed_memory
from snnvtg.plots.benchmarks import LIF_SHAPES, compared_at, lif_figure
from snnvtg.reporting import provenance, save_both, write_csv, write_json

LONGER = tuple((t, 16, 75, 256) for t in (1, 2, 4, 16, 32, 64))
NEUROMORPHIC = (500, 16, 1, 16384)


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
    shapes: tuple[str, ...] = ()
    """T x B x L x C, as 8x16x75x256; by default those of the report"""
    profile: bool = False
    """take a call of `fused` apart instead of comparing backends (CPU)"""
    keep_memory: bool = True
    """keep freed memory for the next result, as training does (CPU)"""
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
    settings, company, failed = asked(options), Company(), {}
    out = options.out or Path("reports") / f"benchmark_lif{'_gpu' if options.device == 'cuda' else ''}.csv"
    check_writable(out)
    # memory first: a process that has used its threads cannot be forked
    memory = {}
    for setting, backend in tqdm([(s, b) for s in settings for b in backends], desc="memory"):
        try:
            memory[setting, backend] = {d: peak_mb(backend, setting, d) for d in DIRECTIONS}
        except Exception as error:  # one that fails or lacks memory is a finding, and no reason to measure no other
            failed[f"{backend} at {setting.shape}"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    kept_memory = options.keep_memory and options.device == "cpu" and keep_freed_memory()
    extra, table = {"absent": absent, "failed": failed, "machine": machine.facts()}, pd.DataFrame()
    for setting in tqdm([s for s in settings if (s, "fused") in memory], desc="time"):
        rows = pd.DataFrame(measure(tuple(b for b in backends if (setting, b) in memory), setting))
        rows["peak_mb"] = [memory[setting, row.backend][row.direction] for row in rows.itertuples()]
        table = pd.concat([table, rows], ignore_index=True)
        write_csv(arranged(table), out)
        write_json({**provenance(config=options), **extra}, out.with_suffix(".json"))
    if table.empty:
        raise InputError(f"nothing could be measured: {failed}")
    small = settings[0]
    kept = {b: kept_bytes(b, small) / torch.Size(small.shape).numel() for b in backends if (small, b) in memory}
    save_both(lif_figure(table), out.with_suffix(".png"))
    extra |= {"kept_bytes_per_value": kept, "checks": checks(table)}
    share = company.share()
    extra["cpu_share_of_other_processes"] = round(share, 3)
    extra["quotable"] = machine.quotable(extra["machine"], share, kept_memory)
    write_json({**provenance(config=options), **extra}, out.with_suffix(".json"))
    print(table.pivot_table("median_ms", ["T", "B", "L", "C", "direction", "floor_ms"], "backend").round(2).to_string())
    print(*(f"{name}: {value}" for name, value in (checks(table) | failed).items()), sep="\n")
    print(f"these ratios may be quoted {extra['quotable']}")
    if failed:
        raise SystemExit(1)


def asked(options: Options) -> list[Setting]:
    """What is measured; on a GPU also a layer of the size neuromorphic data have, with its linear layer."""
    shared = {"device": options.device, "dtype": getattr(torch, options.dtype), "repeats": options.repeats}
    try:
        shapes = [tuple(map(int, shape.split("x"))) for shape in options.shapes] or LIF_SHAPES + LONGER
    except ValueError:
        shapes = [()]
    if any(len(shape) != 4 or min(shape) < 1 for shape in shapes):
        raise InputError(f"--shapes: expected T x B x L x C as 8x16x75x256, got {' '.join(options.shapes)}")
    settings = [Setting(shape, **shared) for shape in shapes]
    if options.device == "cuda" and not options.shapes:
        settings.append(Setting(NEUROMORPHIC, linear=True, **shared))
    return settings


def profile(options: Options) -> None:
    """Write where a forward+backward call of `fused` spends its time, milliseconds, a row for each shape."""
    rows, company = [], Company()
    for shape in LIF_SHAPES:
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
    """The worst case over the first four shapes, forward+backward: what `fused` is held to."""
    wanted = table[(table.direction == "forward+backward") & (table.case == "lif")]
    shapes = compared_at(wanted)
    wanted = wanted[[shape in shapes for shape in wanted[list("TBLC")].itertuples(index=False, name=None)]]
    times = wanted.pivot_table("median_ms", list("TBLC"), "backend")
    floors = wanted[wanted.backend == "fused"].set_index(list("TBLC")).floor_ms
    result = {"fused_over_floor_worst": round(float((times["fused"] / floors).max()), 2)}
    for other in times.columns.drop("fused"):
        result[f"{other}_over_fused_least"] = round(float((times[other] / times["fused"]).min()), 2)
    return result


if __name__ == "__main__":
    run(Options, main)
