"""What watching costs: a sweep's steps bare, with firing rates, and with the energy ledger.

    OMP_WAIT_POLICY=PASSIVE python experiments/benchmarks/instrumentation.py --out reports/benchmark_instrumentation.csv

A minute on 2 cores. Processor time (all threads) of a step bare and watched, taken in turns --repeats times, so that
other work on the machine does not count: medians, and the median and quartiles of the ratios of neighbours. Firing
rates watch batches, in evaluation and in a training step with its backward pass; the ledger counts ten queries one by
one, as `Ledger.per_query` does, and with the rates beside it as the sweep does. `kept_first` and `kept_last`: what the
instrument holds after the first step and after the last, bytes of counters for the rates, records for the ledger.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from quiet import run
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.energy import Account, Ledger
from snnvtg.energy.account import compact
from snnvtg.instrumentation import FiringRates
from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig
from snnvtg.reporting import provenance, write_csv, write_json

Step = Callable[[], object]
QUERIES = 10


@dataclass(frozen=True)
class Options:
    """Time the instrumentation."""

    width: int = 48
    blocks: int = 2
    timesteps: int = 4
    batch_size: int = 50
    repeats: int = 40
    out: Path | None = None
    """CSV of the table, with provenance beside it"""


def main(options: Options) -> None:
    """Measure and print."""
    data = generate(SyntheticConfig())
    config = SpikeMbaConfig(
        width=options.width, num_blocks=options.blocks, num_timesteps=options.timesteps, num_heads=4
    )
    model = SpikeMba(config, data.video_width, data.text_width)
    batch, singles = data.test.batch(range(options.batch_size)), [data.test.batch([i]) for i in range(QUERIES)]
    rates, account = FiringRates(model), Account()

    @torch.no_grad()
    def read() -> None:
        model.eval()(batch)

    @torch.no_grad()
    def ask() -> None:
        for single in singles:
            model.eval()(single)

    def learn() -> None:
        model.train().zero_grad()
        sum(model.losses(model(batch), batch).values()).backward()

    @torch.no_grad()
    def count() -> None:
        found = Ledger.per_query(model.eval(), singles)
        account.records = compact([*account.records, *found.records])

    def count_and_watch() -> None:
        with FiringRates(model):
            count()

    batched, queries = f"a batch of {options.batch_size}", f"evaluation, {QUERIES} queries"
    cases = {
        ("firing rates", f"evaluation, {batched}"): (read, watched(rates, read), held(rates)),
        ("firing rates", f"training, {batched}"): (learn, watched(rates, learn), held(rates)),
        ("ledger", queries): (ask, count, lambda: len(account.records)),
        ("ledger and firing rates", queries): (ask, count_and_watch, lambda: len(account.records)),
    }
    rows = [
        {"instrument": instrument, "step": step, **compared(*case, options.repeats)}
        for (instrument, step), case in cases.items()
    ]
    table = pd.DataFrame(rows)
    if options.out:
        write_csv(table, options.out)
        write_json(provenance(config=config, repeats=options.repeats), options.out.with_suffix(".json"))
    print(table.round(3).to_string(index=False))


def watched(rates: FiringRates, step: Step) -> Step:
    """`step` while `rates` listens."""

    def watching() -> None:
        with rates:
            step()

    return watching


def held(rates: FiringRates) -> Callable[[], int]:
    """Bytes of the counters."""
    return lambda: sum(layer.spikes.numel() * layer.spikes.element_size() for layer in rates.layers.values())


def compared(bare: Step, watching: Step, kept: Callable[[], int], repeats: int) -> dict[str, float]:
    """Processor milliseconds of both steps in turns after a warm-up, their ratios, and what is kept."""
    bare(), watching()
    first = kept()
    took = np.array([[1e3 * timed(step) for step in (bare, watching)] for _ in range(repeats)])
    low, middle, high = np.percentile(took[:, 1] / took[:, 0], [25, 50, 75])
    bare_ms, watched_ms = np.median(took, axis=0)
    times = {"bare_ms": bare_ms, "watched_ms": watched_ms, "ratio": middle, "ratio_low": low, "ratio_high": high}
    return {**times, "kept_first": first, "kept_last": kept()}


def timed(step: Step) -> float:
    """Processor seconds, all threads."""
    began = time.process_time()
    step()
    return time.process_time() - began


if __name__ == "__main__":
    run(Options, main, __doc__)
