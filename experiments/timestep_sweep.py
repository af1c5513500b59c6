"""Accuracy, firing rate and energy against the number of time steps.

    python experiments/timestep_sweep.py                       # embedded synthetic data, about 4 minutes on 2 cores
    python experiments/timestep_sweep.py --data FOLDER --seeds 0 1 2

Writes reports/timestep_sweep.csv (a row per T × seed × slots for the model, the model with its queries shuffled, and
the best fixed window), the same name .json with provenance, and .png. Interrupted, the same command resumes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from snnvtg.command import run
from snnvtg.errors import InputError
from snnvtg.plots.sweep import sweep_figure
from snnvtg.reporting import save_figure
from snnvtg.studies.options import DataOptions, PoolOptions, PresetOptions
from snnvtg.studies.timestep import TimestepSweep, run_sweep

SHOWN = ["model", "slots", "num_timesteps", "seed", "R1@0.5", "R1@0.7", "mIoU", "firing_rate", "energy_pj"]


@dataclass(frozen=True)
class Options(DataOptions, PresetOptions, PoolOptions):
    """Sweep the number of time steps of SpikeMba."""

    timesteps: tuple[int, ...] = (1, 2, 4, 8)
    seeds: tuple[int, ...] = (0,)
    slots: Literal["with", "without", "both"] = "both"
    """relevant slots"""
    backend: str = "auto"
    """LIF backend: auto, fused, torch, reference, snntorch, spikingjelly"""
    mode: Literal["retrain", "inference"] = "retrain"
    """retrain for each T, or read one model out at every T"""
    split: Literal["val", "test"] = "test"
    out: Path = Path("reports/timestep_sweep.csv")


def main(options: Options) -> None:
    """Run the sweep, then draw it."""
    pool = options.pool()
    if options.out.suffix != ".csv":
        raise InputError(f"out: expected a name ending in .csv, got {options.out}")
    sweep = TimestepSweep(
        preset=options.chosen(options.data),
        timesteps=options.timesteps,
        seeds=options.seeds,
        slots=options.slots,
        backend=options.backend,
        mode=options.mode,
        split=options.split,
    )
    table = run_sweep(sweep, options.loader(), options.out, **pool)
    frame = table.frame()
    figure = options.out.with_suffix(".png")
    save_figure(sweep_figure(frame), figure)
    print(frame[SHOWN].to_string(index=False, float_format="{:.4g}".format, na_rep=""))
    print(f"{frame['data'].iloc[0]}; wrote {options.out}, {table.beside.name} and {figure.name}")


if __name__ == "__main__":
    run(Options, main, __doc__)
