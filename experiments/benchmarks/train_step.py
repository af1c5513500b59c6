"""A whole SpikeMba training step and inference, by part, against the same model on snnTorch and mambapy.

    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/train_step.py          # about 8 minutes on 2 cores
    python experiments/benchmarks/train_step.py --device cuda --batch-sizes 64 128 256

Preset `paper` (d = 256, six blocks, T = 8) at QVHighlights size (75 clips, 20 words). Writes
reports/benchmark_train_step.csv (or _gpu.csv) with provenance, after every row: median milliseconds, the share of each
part (products of the linear layers, LIF, scan, convolution, heads, loss, optimiser, elementwise and the rest), and how
much of a large matrix product's speed (`peak_gmacs`) the model's own multiply-adds reach. On a GPU also the model's
passes as CUDA graphs, and `share_busy`: the share of the time in which the device had a kernel to run. What fails
becomes a line of the JSON and does not stop the rest. The rival needs pip install --no-deps mambapy, and 18 GB at batch
32; it runs first, with the C library's own way of giving memory back (see snnvtg/memory.py).
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pandas as pd
import torch

from measuring import Company
from option_checks import check_counts, kept_rows
from quiet import run
from snnvtg import memory
from snnvtg.energy import Ledger
from snnvtg.errors import InputError
from snnvtg.files import check_writable
from snnvtg.models.spikemba import SpikeMba
from snnvtg.reporting import provenance, write_csv, write_json
from snnvtg.sweeps.checks import check_device
from step_parts import MODES, by_part, median_ms, pieces, product_peak, random_batch, steps

CLIPS, TOKENS, VIDEO_WIDTH, TEXT_WIDTH = 75, 20, 514, 300


@dataclass(frozen=True)
class Options:
    """Time a whole training step and inference."""

    device: Literal["cpu", "cuda"] = "cpu"
    batch_sizes: tuple[int, ...] = (8, 32)
    rival_batch_sizes: tuple[int, ...] = (32,)
    modes: tuple[str, ...] = ()
    """of eager, compiled, graph; eager on a CPU (where compiling takes minutes), all on a GPU by default"""
    precisions: tuple[Literal["float32", "bf16"], ...] = ("float32",)
    threads: int = 2
    budget: float = 6.0
    """seconds a row is repeated for"""
    keep: bool = False
    """keep the rows of the table that this run does not measure again"""
    out: Path | None = None
    """default reports/benchmark_train_step.csv or ..._gpu.csv"""


def main(options: Options) -> None:
    """Measure and write."""
    modes = options.modes or (("eager",) if options.device == "cpu" else ("eager", "graph", "compiled"))
    unknown = set(modes) - set(MODES)
    if unknown or ("graph" in modes and options.device == "cpu"):
        raise InputError(f"--modes: expected of {', '.join(MODES)} (graph on a GPU only), got {', '.join(modes)}")
    check_device(options.device)
    check_counts(batch_sizes=options.batch_sizes, threads=options.threads)
    if options.rival_batch_sizes:
        check_counts(rival_batch_sizes=options.rival_batch_sizes)
    if not options.budget >= 0:
        raise InputError(f"--budget: expected seconds, 0 for a single call; got {options.budget}")
    suffix = "_gpu" if options.device == "cuda" else ""
    out = options.out or Path(f"reports/benchmark_train_step{suffix}.csv")
    check_writable(out)
    table = kept_rows(out, (*KEY, "median_ms")) if options.keep else pd.DataFrame()
    earlier = [] if table.empty else _runs(out.with_suffix(".json"))
    torch.set_num_threads(options.threads)
    peaks = {precision: product_peak(options.device, precision) for precision in options.precisions}
    sizes = [("ours", size) for size in options.batch_sizes]
    if find_spec("mambapy"):
        sizes += [("rival", size) for size in options.rival_batch_sizes]
    else:
        print("mambapy is not installed: no rival rows (pip install --no-deps mambapy)")
    # the mode outermost: what takes longest to compile comes last
    kinds = [(k, m, p, n) for m in modes for p in options.precisions for k, n in sizes if k == "ours" or m == "eager"]
    # rivals before all, in a process that hands freed memory back as any does that does not ask our training loop
    kinds.sort(key=lambda kind: kind[0] == "ours")
    failed = {}
    for kind in kinds:
        try:
            rows = pd.DataFrame(measured(options, peaks, *kind)).round(4)
        except Exception as error:  # a kind that cannot be compiled, captured or held is a finding, not the end
            failed[" ".join(map(str, kind))] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            print(f"{kind}: {failed[' '.join(map(str, kind))]}")
            continue
        table = pd.concat([table, rows], ignore_index=True).drop_duplicates(list(KEY), keep="last")
        write_csv(table, out)
        write_json(provenance(config=options, failed=failed, earlier_runs=earlier), out.with_suffix(".json"))
        print(rows.to_string(index=False), flush=True)
    write_json(provenance(config=options, failed=failed, earlier_runs=earlier), out.with_suffix(".json"))
    if failed:
        raise SystemExit(1)


def _runs(path: Path) -> list[dict]:
    """The runs that made the kept rows, oldest first."""
    last = json.loads(path.read_text()) if path.exists() else {}
    return [*last.pop("earlier_runs", []), last]


KEY = ("device", "pieces", "mode", "precision", "batch", "direction")


def measured(options: Options, peaks: dict[str, float], kind: str, mode: str, precision: str, size: int) -> list[dict]:
    """Rows of one kind, mode, precision and batch size."""
    if kind == "ours" and options.device == "cpu":
        memory.keep_freed_memory()  # as training does
    torch.manual_seed(0)
    model = SpikeMba(SpikeMba.recipe("paper").model, VIDEO_WIDTH, TEXT_WIDTH).to(options.device)
    batch = random_batch(size, CLIPS, TOKENS, VIDEO_WIDTH, TEXT_WIDTH).to(options.device)
    with torch.no_grad(), Ledger(model.eval()) as ledger:
        model(random_batch(1, CLIPS, TOKENS, VIDEO_WIDTH, TEXT_WIDTH).to(options.device))
    macs = size * (ledger.totals["macs"] + ledger.totals["acs_dense"])
    rows = []
    with pieces(kind, model):
        for direction, call in steps(model, batch, mode, precision).items():
            company = Company()
            took = median_ms(call, options.device, options.budget)
            others = round(company.share(), 3)
            work = macs * (3 if direction == "training step" else 1)
            common = (options.device, kind, mode, precision, size, direction)
            figures = {"median_ms": took, "clips_per_s": size * CLIPS / took * 1e3, "others_cpu": others}
            # where the model is one graph, its parts cannot be told apart
            parts = by_part(call, options.device, model if mode == "eager" else None)
            shares = {f"share_{part}": share for part, share in parts.items()}
            peak = {"share_of_peak": work / (took / 1e3) / peaks[precision], "peak_gmacs": peaks[precision] / 1e9}
            rows.append({**dict(zip(KEY, common, strict=True)), **figures, **peak, **shares})
    return rows


if __name__ == "__main__":
    run(Options, main, __doc__)
