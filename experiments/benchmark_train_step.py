"""A whole SpikeMba training step and inference, by part, against the same model on snnTorch and mambapy.

    OMP_WAIT_POLICY=PASSIVE python experiments/benchmark_train_step.py          # about 3 minutes on 2 cores
    python experiments/benchmark_train_step.py --device cuda --batch-sizes 64 128 256

Preset `paper` (d = 256, six blocks, T = 8) at QVHighlights size (75 clips, 20 words). Writes
reports/benchmark_train_step.csv (or _gpu.csv) with provenance: median milliseconds, the share of each part (products,
LIF, scan, convolution, elementwise and the rest), and how much of a large matrix product's speed the model's own
multiply-adds reach. The rival needs pip install --no-deps mambapy.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pandas as pd
import torch

from snnvtg.command import run
from snnvtg.energy import Ledger
from snnvtg.models import SpikeMba
from snnvtg.reporting import provenance, write_csv, write_json
from snnvtg.studies.step import by_part, measure, pieces, product_peak, random_batch, steps
from snnvtg.training import PRESETS

CLIPS, TOKENS, VIDEO_WIDTH, TEXT_WIDTH = 75, 20, 514, 300


@dataclass(frozen=True)
class Options:
    """Time a whole training step and inference."""

    device: Literal["cpu", "cuda"] = "cpu"
    batch_sizes: tuple[int, ...] = (8, 32)
    rival_batch_sizes: tuple[int, ...] = (32,)
    compiled: bool = False
    """also torch.compile the model, which takes minutes on a CPU"""
    threads: int = 2
    budget: float = 6.0
    """seconds a row is repeated for"""
    out: Path | None = None
    """default reports/benchmark_train_step.csv or ..._gpu.csv"""


def main(options: Options) -> None:
    """Measure and write."""
    torch.set_num_threads(options.threads)
    peak = product_peak(options.device)
    kinds = [("ours", False, size) for size in options.batch_sizes]
    kinds += [("ours", True, size) for size in options.batch_sizes if options.compiled or options.device == "cuda"]
    if find_spec("mambapy"):
        kinds += [("rival", False, size) for size in options.rival_batch_sizes]
    else:
        print("mambapy is not installed: no rival rows (pip install --no-deps mambapy)")
    rows = [row for kind in kinds for row in measured(options, peak, *kind)]
    table = pd.DataFrame(rows).round(4)
    suffix = "_gpu" if options.device == "cuda" else ""
    out = options.out or Path(f"reports/benchmark_train_step{suffix}.csv")
    write_csv(table, out)
    write_json(provenance(config=options, peak_macs_per_second=peak), out.with_suffix(".json"))
    print(table.to_string(index=False))


def measured(options: Options, peak: float, kind: str, compiled: bool, size: int) -> list[dict]:
    """Rows of one kind and batch size."""
    torch.manual_seed(0)
    model = SpikeMba(PRESETS["paper"].model, VIDEO_WIDTH, TEXT_WIDTH).to(options.device)
    batch = random_batch(size, CLIPS, TOKENS, VIDEO_WIDTH, TEXT_WIDTH).to(options.device)
    with torch.no_grad(), Ledger(model.eval()) as ledger:
        model(random_batch(1, CLIPS, TOKENS, VIDEO_WIDTH, TEXT_WIDTH).to(options.device))
    macs = size * (ledger.totals["macs"] + ledger.totals["acs_dense"])
    rows = []
    with pieces(kind, model):
        for direction, call in steps(model, batch, compiled).items():
            took = measure(call, options.device, options.budget)
            work = macs * (3 if direction == "training step" else 1)
            common = {"device": options.device, "pieces": kind, "mode": "compiled" if compiled else "eager"}
            figures = {"median_ms": took, "clips_per_s": size * CLIPS / took * 1e3}
            shares = {f"share_{part}": share for part, share in by_part(call, options.device).items()}
            share = work / (took / 1e3) / peak
            rows.append({**common, "batch": size, "direction": direction, **figures, "share_of_peak": share, **shares})
    return rows


if __name__ == "__main__":
    run(Options, main, __doc__)
