"""Models as points of accuracy against energy, and the front of those that no other beats in both."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from snnvtg.plots.labels import label_points
from snnvtg.plots.style import BLUE, GREY, INK, ORANGE, style

ESTIMATE = "energy per query (µJ, estimate: 45 nm fp32 prices)"
"""what an axis of energies says, the price table by name"""


def front_figure(table: pd.DataFrame, metric: str, title: str, named: str = "model") -> Figure:
    """Accuracy against energy, a point for each value of the column `named`: mean and standard deviation over seeds.

    `table` has a row per model and seed with energy_pj, synops and the metric in percent. Models whose synaptic
    operations are none are squares, the others circles; the dashed line joins those that nothing beats in both.
    """
    measured = table.dropna(subset=["energy_pj", metric])
    grouped = measured.groupby(named, sort=False)
    mean, spread = grouped[[metric, "energy_pj"]].mean(), grouped[[metric, "energy_pj"]].std().fillna(0.0)
    spiking = grouped["synops"].mean().gt(0) if "synops" in table else pd.Series(False, mean.index)
    x, y = mean["energy_pj"] / 1e6, mean[metric]
    with style():
        figure = Figure(figsize=(8.2, 5.4), layout="constrained")
        axis = figure.subplots()
        front = pareto_front(mean.reset_index(), metric)
        axis.step(front["energy_pj"] / 1e6, front[metric], where="post", color=GREY, linewidth=1.2, linestyle="--")
        for name in mean.index:
            colour, marker = (ORANGE, "o") if spiking[name] else (BLUE, "s")
            bars = {"xerr": spread.loc[name, "energy_pj"] / 1e6, "yerr": spread.loc[name, metric]}
            axis.errorbar(x[name], y[name], **bars, fmt=marker, color=colour, capsize=3, elinewidth=1.3, zorder=3)
        if x.max() > 8 * x.min():
            axis.set_xscale("log")
        axis.margins(0.16)
        axis.set_xlabel(ESTIMATE)
        axis.set_ylabel(f"{metric} (%)")
        axis.set_title(title)
        seeds = measured.groupby(named)["seed"].nunique() if "seed" in measured else pd.Series([1])
        most = int(seeds.max())
        bars = f"bars: standard deviation over up to {most} seeds" if most > 1 else "one seed: no error bars over seeds"
        kinds = "● with spikes  ■ without   " if spiking.any() and not spiking.all() else ""
        figure.supxlabel(f"{kinds}{bars}; dashed: no other model is better in both", fontsize=10.5, color=GREY)
        label_points(axis, list(zip(x, y, strict=True)), list(map(str, mean.index)), [INK] * len(mean))
    return figure


def pareto_front(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that no other row beats in both: less energy and a higher metric."""
    rows = table.sort_values(["energy_pj", metric], ascending=[True, False])
    return rows[rows[metric] > rows[metric].cummax().shift(fill_value=-np.inf)]
