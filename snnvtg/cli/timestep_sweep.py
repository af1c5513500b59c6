"""Accuracy, firing rate and energy against the number of time steps.

    python experiments/timestep_sweep.py                       # embedded synthetic data, about 5 minutes on 2 cores
    python experiments/timestep_sweep.py --data FOLDER --seeds 0 1 2
    python experiments/timestep_sweep.py --model my_model.py:MyModel --timesteps 1 4 --grid model.width=32,64

Writes reports/timestep_sweep.csv (a row for each T, every other setting of the grid, and seed; beside the model the
controls, and the best fixed window), the same name .json with provenance, _queries.csv with each query's figures, and
.png. Interrupted, the same command resumes. The grid is that of the model's own sweep `timesteps`, where it has one.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from snnvtg.cli.command import run
from snnvtg.cli.options import SweepOptions, require_csv
from snnvtg.errors import InputError
from snnvtg.sweeps.trial import check_seeds

if TYPE_CHECKING:
    import pandas as pd

    from snnvtg.sweeps.declaration import Sweep
    from snnvtg.sweeps.trial import Trial

TRAINED, READ_OUT = "model.num_timesteps", "inference.num_timesteps"


@dataclass(frozen=True)
class Options(SweepOptions):
    """Sweep the number of time steps of a spiking model."""

    timesteps: tuple[int, ...] = (1, 2, 4, 8)
    seeds: tuple[int, ...] = (0,)
    grid: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """another axis, or other values of one: KEY=VALUE,VALUE, where `preset` is the preset's own"""
    mode: Literal["retrain", "inference"] = "retrain"
    """retrain for each T, as in the paper's Figure 3, or read one model out at every T"""
    out: Path = Path("reports/timestep_sweep.csv")

    def check(self) -> None:
        """As PoolOptions; InputError for seeds, time steps or a table that cannot be."""
        super().check()
        require_csv(self.out)
        check_seeds(self.seeds, "--seeds")
        if len(set(self.timesteps)) != len(self.timesteps) or not self.timesteps:
            raise InputError(f"--timesteps: expected distinct numbers, got {list(self.timesteps)}")


def main(options: Options) -> None:
    """Run the sweep, then draw it."""
    from snnvtg.plots.timesteps import timestep_figure
    from snnvtg.reporting import save_both
    from snnvtg.sweeps.comparison import read_results, video_intervals
    from snnvtg.sweeps.engine import run_sweeps
    from snnvtg.sweeps.report import failures_in_words
    from snnvtg.sweeps.request import awaited

    pool, out = options.pool(), options.out
    base = options.base()
    tables = run_sweeps([declared(options, base)], base, [out], **pool)
    if awaited(tables):  # jobs of a cluster
        return
    results = read_results(out)
    frame = results.table
    figure = out.with_suffix(".png")
    axes, metrics = results.axes, results.evaluation.compared
    metrics = [*reversed(metrics)] if len(metrics) == 2 else metrics
    if results.rows:
        title = f"{name_of(base)} on {frame['data'].iloc[0]} data, {frame['split'].iloc[0]} split"
        drawn = timestep_figure(frame, axes, results.controls, metrics, title, video_intervals(results))
        save_both(drawn, figure)
    shown = ["model", *axes, "seed", *results.evaluation.shown, "firing_rate", "energy_pj"]
    print(readable(frame[[name for name in shown if name in frame]]))
    print(f"{frame['data'].iloc[0]}; wrote {out}, {out.stem}.json, {out.stem}_queries.csv and {figure.name}")
    failures_in_words(tables)


def declared(options: Options, base: "Trial") -> "Sweep":
    """The model's own sweep `timesteps`, or T alone, with the options' values."""
    from snnvtg.sweeps.declaration import axis_values, grid_sweep
    from snnvtg.sweeps.reader import parse_sweep

    cls = base.recipe.model_class
    text = cls.sweep("timesteps")
    if text is None:
        if not hasattr(base.recipe.model, "num_timesteps"):
            raise InputError(f"{cls.__name__} has no time steps (no setting {TRAINED}); sweep a spiking model")
        sweep = grid_sweep("timesteps", "Time steps", {TRAINED: ("preset",)}, controls=("shuffled-query",))
    else:
        sweep = parse_sweep(text, f"{cls.__name__}, timesteps.yaml")
    axes = {key: values for key, values in sweep.grid if key != TRAINED}
    steps = tuple(map(str, options.timesteps))
    axes = {(TRAINED if options.mode == "retrain" else READ_OUT): steps, **axes}
    for entry in options.grid:
        key, _, values = entry.partition("=")
        axes[key] = axis_values(values)
    return replace(grid_sweep(sweep.name, sweep.title, axes, controls=sweep.controls), seeds=options.seeds)


def name_of(base: "Trial") -> str:
    """What figures call the model."""
    return base.recipe.model_class.__name__


def readable(table: "pd.DataFrame") -> str:
    """A table for the terminal, energy in µJ."""
    from snnvtg.terminal import table_text

    shown = table.rename(columns={"energy_pj": "energy, µJ"})
    if "energy, µJ" in shown:
        shown["energy, µJ"] = shown["energy, µJ"] / 1e6
    return table_text(shown)


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
