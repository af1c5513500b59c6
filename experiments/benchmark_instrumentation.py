"""What watching costs: an evaluation step bare, with firing rates, and with the energy ledger.

    python experiments/benchmark_instrumentation.py           # a minute on 2 cores
    python experiments/benchmark_instrumentation.py --width 256 --blocks 6 --out reports/benchmark_instrumentation.csv

Processor time (all threads), the median of --repeats taken in turns, so that other work on the machine does not count;
one query a step for the ledger, as it is used, and a batch for the rates. `bytes_kept`: what the counters hold.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from snnvtg.command import run
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.energy import Ledger
from snnvtg.instrumentation import FiringRates
from snnvtg.models import SpikeMba, SpikeMbaConfig
from snnvtg.reporting import provenance, write_csv, write_json


@dataclass(frozen=True)
class Options:
    """Time the instrumentation."""

    width: int = 48
    blocks: int = 2
    timesteps: int = 4
    batch_size: int = 50
    repeats: int = 15
    out: Path | None = None
    """CSV of the table, with provenance beside it"""


@torch.no_grad()
def main(options: Options) -> None:
    """Measure and print."""
    data = generate(SyntheticConfig())
    config = SpikeMbaConfig(
        width=options.width, num_blocks=options.blocks, num_timesteps=options.timesteps, num_heads=4
    )
    model = SpikeMba(config, data.video_width, data.text_width).eval()
    batch, single = data.test.batch(range(options.batch_size)), data.test.batch([0])
    rates, ledger = FiringRates(model), Ledger(model)

    def watched() -> None:
        with rates:
            model(batch)

    def counted() -> None:
        ledger.records.clear()
        with ledger:
            model(single)

    bare_batch, with_rates = interleaved([lambda: model(batch), watched], options.repeats)
    bare_query, with_ledger = interleaved([lambda: model(single), counted], options.repeats)
    kept = sum(layer.spikes.numel() * 8 for layer in rates.layers.values())
    rows = [
        ("firing rates", f"batch of {options.batch_size}", bare_batch, with_rates, kept),
        ("ledger", "one query", bare_query, with_ledger, None),
    ]
    names = ["instrument", "step", "bare_ms", "watched_ms", "bytes_kept"]
    table = pd.DataFrame(rows, columns=names).assign(ratio=lambda t: t["watched_ms"] / t["bare_ms"])
    if options.out:
        write_csv(table, options.out)
        write_json(provenance(config=config, repeats=options.repeats), options.out.with_suffix(".json"))
    print(table.round(3).to_string(index=False))
    print(f"firing rates keep {kept} bytes, the same after 1 step and after {options.repeats + 1}")


def interleaved(steps: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median processor milliseconds of each step, taken in turns after one warm-up each."""
    for step in steps:
        step()
    took: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for step, times in zip(steps, took, strict=True):
            began = time.process_time()
            step()
            times.append(1e3 * (time.process_time() - began))
    return [statistics.median(times) for times in took]


if __name__ == "__main__":
    run(Options, main, __doc__)
