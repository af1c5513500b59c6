"""Windowed inference on videos of growing length: seconds and memory, an hour at one clip per second and more.

    python experiments/benchmarks/long_video.py --out reports/benchmark_long_video.csv

The model is SpikeMba of a preset, untrained, and the features are noise in a memory-mapped file: time and memory do
not depend on either. Peak memory is that of the process so far, lengths in rising order: where it stays, memory does
not grow with the video.
"""

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from quiet import run
from snnvtg.data.sliding import window_starts, windowed_batches
from snnvtg.errors import InputError
from snnvtg.metrics.merging import merge_predictions
from snnvtg.models.spikemba import SpikeMba
from snnvtg.records import Prediction, Query
from snnvtg.reporting import provenance, write_csv, write_json

WIDTH, TOKENS = 512, 12


@dataclass(frozen=True)
class Options:
    """Benchmark windowed inference."""

    minutes: tuple[int, ...] = (1, 10, 60, 240)
    """lengths of the videos, one clip per second"""
    preset: Literal["demo", "small", "paper"] = "small"
    window: int = 64
    """clips of a window"""
    overlap: int = 32
    batch_size: int = 16
    out: Path | None = None
    """CSV; a JSON with provenance is written beside it"""


def main(options: Options) -> None:
    """Time each length."""
    if not options.minutes or min(options.minutes) < 1:
        raise InputError("minutes: expected lengths of at least 1")
    torch.manual_seed(0)
    model = SpikeMba(SpikeMba.recipe(options.preset).model, WIDTH + 2, WIDTH).eval()
    rows = []
    for minutes in sorted(options.minutes):
        num_clips = 60 * minutes
        start = time.perf_counter()
        merged = ground(model, num_clips, options)
        seconds = time.perf_counter() - start
        windows = len(window_starts(num_clips, options.window, options.overlap))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append((minutes, num_clips, windows, seconds, num_clips / seconds, peak, len(merged.pred_saliency_scores)))
    columns = ["minutes", "clips", "windows", "seconds", "clips_per_second", "peak_mib", "saliency_scores"]
    table = pd.DataFrame(rows, columns=columns)
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if options.out:
        write_csv(table, options.out)
        write_json(provenance(config=options), options.out.with_suffix(".json"))


@torch.inference_mode()
def ground(model: torch.nn.Module, num_clips: int, options: Options) -> Prediction:
    """One query on one long video whose features lie in a memory-mapped file."""
    query = Query(0, "a query", "long", float(num_clips))
    text = np.random.default_rng(0).normal(size=(TOKENS, WIDTH)).astype(np.float32)
    with tempfile.NamedTemporaryFile() as file:
        noise = np.random.default_rng(1).normal(size=(60, WIDTH)).astype(np.float16)
        for _ in range(num_clips // 60):
            file.write(noise.tobytes())
        file.flush()
        features = np.memmap(file.name, dtype=np.float16, mode="r", shape=(num_clips, WIDTH))
        batches = windowed_batches(
            query,
            text,
            lambda start, stop: features[start:stop].astype(np.float32),
            num_clips,
            1.0,
            size=options.window,
            overlap=options.overlap,
            batch_size=options.batch_size,
        )
        parts = (
            (start, prediction)
            for starts, batch in batches
            for start, prediction in zip(starts, model.predict(model(batch), batch), strict=True)
        )
        return merge_predictions(parts, clip_length=1.0, num_clips=num_clips)


if __name__ == "__main__":
    run(Options, main, __doc__)
