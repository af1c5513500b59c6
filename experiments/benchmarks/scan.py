"""Selective scans against one another, against float64 and against what their exponentials must cost.

    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/scan.py
    python experiments/benchmarks/scan.py --device cuda

Writes reports/benchmark_scan.csv (benchmark_scan_gpu.csv), a figure and the provenance beside it. Rows already in the
table are kept, so an interrupted run resumes; --fresh measures everything again. `others_cpu` is the share of the
machine that went to other processes meanwhile: near 0, or the row is not to be quoted; `exponentials_ms` and
`library_exponentials_ms` are the exponentials of the row alone, by the scan's own and by glibc's. On a GPU `graph_ms`
is the same call replayed as a CUDA graph, without its launches, and rows named `block:` are the whole Mamba block, ours
on each backend and mamba-ssm's own. What fails is listed in the JSON and does not stop the rest. Our backends and
mambapy take three minutes on two cores, transformers' slow path and mamba-ssm's reference loop six more.
No rival is asked for 4096. Rivals are optional: pip install --no-deps mambapy, pip install transformers; mamba-ssm's
reference is there where mamba-ssm is installed, with or without its kernels. Expected on two cores: `cpu` more than 25
times faster than mambapy and transformers' slow path up to L = 600 on less than a tenth of their memory, linear in L.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from tqdm import tqdm

import scan_rivals as rivals
from mamba_blocks import blocks, measure_block, replayed
from measuring import Company
from option_checks import check_counts, kept_rows
from quiet import run
from scan_timing import Setting, calls, measure
from snnvtg.errors import InputError
from snnvtg.files import check_writable
from snnvtg.plots.benchmarks import FLOORS, scan_figure
from snnvtg.reporting import provenance, save_both, write_csv, write_json
from snnvtg.scan import available_backends
from snnvtg.sweeps.checks import check_device

# the loop's backward pass holds every state, and the rivals' hold several tensors of B·L·D·N
LONGEST = {"reference": 600, "mambapy": 600, "transformers-slow": 600, "mamba-ssm-reference": 600}

KEPT = tuple("backend device dtype L B D N direction median_ms peak_mb max_rel_err threads".split())


@dataclass(frozen=True)
class Options:
    """Selective scans against one another, float64, and the cost of their exponentials."""

    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    lengths: tuple[int, ...] = (75, 150, 600, 4096)
    backends: tuple[str, ...] = ()
    """backends and rivals to measure; all that run here by default"""
    threads: int = 2
    """CPU threads"""
    budget: float | None = None
    """seconds a backend is repeated for at one length and direction; 2 on a CPU, 0.5 on a GPU by default"""
    fresh: bool = False
    """measure again what the table already holds"""
    out: Path | None = None
    """CSV to write; reports/benchmark_scan.csv or reports/benchmark_scan_gpu.csv by default"""


def main(options: Options) -> None:
    """Measure what is missing, write the table, the figure and the provenance."""
    out = options.out or Path("reports") / f"benchmark_scan{'_gpu' if options.device == 'cuda' else ''}.csv"
    check_device(options.device)
    check_counts(lengths=options.lengths, threads=options.threads)
    if options.budget is not None and not options.budget > 0:
        raise InputError(f"--budget: expected seconds above 0, got {options.budget}")
    check_writable(out)
    table = pd.DataFrame() if options.fresh else kept_rows(out, KEPT)
    present, absent = _present(options)
    shared = {"device": options.device, "dtype": getattr(torch, options.dtype), "threads": options.threads}
    budget = options.budget or (2.0 if options.device == "cpu" else 0.5)
    settings = [Setting(L, budget=budget, **shared) for L in options.lengths]
    jobs = [(name, s) for s in settings for name in present if LONGEST.get(name, s.L) >= s.L]
    if options.device == "cuda" and not options.backends:
        jobs += [(name, s) for s in settings for name in blocks(s)]
    failed = {}
    extra = {"absent": absent, "longest": LONGEST, "failed": failed}
    for name, setting in tqdm([job for job in jobs if not _held(table, *job)], desc="scans"):
        company = Company()
        try:
            rows = pd.DataFrame(_measured(name, setting)).assign(others_cpu=round(company.share(), 3))
        except Exception as error:  # one that fails or lacks memory is a finding, and no reason to measure no other
            failed[f"{name} at L = {setting.L}"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            continue
        table = pd.concat([table, rows], ignore_index=True)
        write_csv(table, out)
        write_json({**provenance(config=options), **extra}, out.with_suffix(".json"))
    if table.empty:
        raise InputError(f"nothing could be measured: {failed or absent}")
    table = table.sort_values(["L", "direction", "median_ms"]).reset_index(drop=True)
    write_csv(table.round({"median_ms": 3, "min_ms": 3, "peak_mb": 1} | dict.fromkeys(FLOORS, 4)), out)
    save_both(scan_figure(table), out.with_suffix(".png"))
    write_json({**provenance(config=options), **extra, "checks": checks(table)}, out.with_suffix(".json"))
    print(table.pivot_table("median_ms", ["direction", "L"], "backend").round(2).to_string())
    print(*(f"{name}: {value}" for name, value in (checks(table) | failed).items()), sep="\n")
    if failed:
        raise SystemExit(1)


def _measured(name: str, setting: Setting) -> list[dict]:
    if name.startswith("block: "):
        return list(measure_block(blocks(setting)[name], name, setting))
    rows = measure(name, setting)
    if setting.device == "cuda" and name not in rivals.RIVALS:
        # calls of milliseconds are launched one by one, those of microseconds wait for their launches
        for row, run in zip(rows, calls(name, setting).values(), strict=True):
            row["graph_ms"] = replayed(run, setting.device)
    return rows


def _present(options: Options) -> tuple[list[str], dict[str, str]]:
    """Names that run on the device, and the reasons of those that do not."""
    ours = available_backends(options.device)
    absent = {name: "; ".join(reasons) for name, reasons in ours.items() if reasons} | rivals.absent()
    names = [name for name in (*ours, *rivals.RIVALS) if name not in absent]
    unknown = [name for name in options.backends if name not in names]
    if unknown:
        reasons = "; ".join(f"{name}: {absent.get(name, 'there is no such backend')}" for name in unknown)
        raise InputError(f"--backends: expected of {', '.join(names)} on {options.device}; {reasons}")
    return [name for name in names if not options.backends or name in options.backends], absent


def _held(table: pd.DataFrame, name: str, setting: Setting) -> bool:
    if table.empty:
        return False
    same = (table.backend == name) & (table.L == setting.L) & (table.device == setting.device)
    same &= table["dtype"] == str(setting.dtype).removeprefix("torch.")
    if setting.device == "cpu":
        same &= table.threads == setting.threads
    return bool(same.any())


def checks(table: pd.DataFrame) -> dict[str, float]:
    """What the compiled scan is held to, forward+backward: the least advantage up to L = 600, and linearity."""
    table = table[~table.backend.str.startswith("block: ")]
    both = table[(table.direction == "forward+backward") & (table.L <= 600)]
    times = both.pivot_table("median_ms", "L", "backend")
    peaks = both.pivot_table("peak_mb", "L", "backend")
    ours = next((name for name in ("cpu", "mamba-ssm", "triton") if name in times), None)
    if ours is None:
        return {}
    result = {}
    for other in times.columns.drop(ours):
        result[f"{other}_over_{ours}_time_least"] = round(float((times[other] / times[ours]).min()), 2)
        result[f"{other}_over_{ours}_memory_least"] = round(float((peaks[other] / peaks[ours]).min()), 2)
    mine = table[(table.backend == ours) & (table.direction == "forward+backward")].set_index("L").median_ms
    for L in mine.index:
        result[f"{ours}_us_per_step_{L}"] = round(float(mine[L] / L * 1e3), 2)
    mine = table[table.backend == ours]
    for column in table.columns.intersection(FLOORS):
        # the least that any row of this length and direction read
        least = table.groupby(["L", "direction"])[column].transform("min")
        over = (mine.median_ms / least[mine.index]).groupby(mine.direction).max()
        name = column.removesuffix("_ms")
        result |= {f"{ours}_over_{name}_worst_{d}": round(float(v), 2) for d, v in over.items()}
    return result


if __name__ == "__main__":
    run(Options, main, __doc__)
