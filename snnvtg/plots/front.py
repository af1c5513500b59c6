"""Models as points of accuracy against energy, and the front of those that no other beats in both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from snnvtg.plots.labels import label_points
from snnvtg.plots.style import DENSE, GREY, INK, SPIKING, style
from snnvtg.plots.text import label, titled

ESTIMATE = "energy per query (µJ, estimate: 45 nm fp32 prices)"
"""what an axis of energies says, the price table by name"""


def front_figure(table: pd.DataFrame, metrics: Sequence[str], title: str) -> Figure:
    """A panel for each metric: every model a point, mean and standard deviation over its seeds.

    `table` has a row per model and seed: model, seed, energy_pj, synops and the metrics in percent. A model with
    synaptic operations is a circle, one without a square, and one without an energy (a fixed window) a line across;
    the dashed line joins those that no other beats in both.
    """
    shown = [metric for metric in metrics if metric in table and table[metric].notna().any()]
    with style():
        figure = Figure(figsize=(max(8.2, 6.6 * len(shown)), 5.4), layout="constrained")
        axes = figure.subplots(1, len(shown), squeeze=False)[0]
        means = [_panel(axis, table.dropna(subset=[metric]), metric) for axis, metric in zip(axes, shown, strict=True)]
        titled(figure, title)
        most = int(table.groupby("model")["seed"].nunique().max())
        bars = f"bars: standard deviation over up to {most} seeds" if most > 1 else "one seed: no bars over seeds"
        words = f"● with spikes  ■ without; {bars}; dashed: no other model is better in both"
        figure.supxlabel(words, fontsize=10.5, color=GREY)
        for axis, (mean, lines) in zip(axes, means, strict=True):
            label_points(axis, list(mean), list(map(label, mean.values())), [INK] * len(mean), lines)
    return figure


def _panel(axis: Axes, table: pd.DataFrame, metric: str) -> tuple[dict[tuple[float, float], str], list]:
    """Draw the models; their places with their names, and what of the panel is to be kept free."""
    named, lines = {}, []
    for name, part in table.groupby("model", sort=False):
        height = part[metric].mean()
        if part["energy_pj"].isna().all():
            axis.axhline(height, color=GREY, linestyle=":", linewidth=1.4)
            place = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right", "color": GREY, "fontsize": 10}
            axis.annotate(label(str(name)), (1, height), xycoords=("axes fraction", "data"), **place)
            continue
        energy, spread = part["energy_pj"] / 1e6, part[metric].std()
        colour, marker = (SPIKING, "o") if "synops" in part and part["synops"].max() > 0 else (DENSE, "s")
        bars = {"xerr": energy.std(), "yerr": spread} if len(part) > 1 else {}
        axis.errorbar(energy.mean(), height, **bars, fmt=marker, color=colour, capsize=3, elinewidth=1.3, zorder=3)
        named[(energy.mean(), height)] = str(name)
        if bars:
            lines.append([(energy.mean(), height - spread), (energy.mean(), height + spread)])
    mean = table.dropna(subset=["energy_pj"]).groupby("model", as_index=False)[["energy_pj", metric]].mean()
    front = pareto_front(mean, metric)
    axis.step(front["energy_pj"] / 1e6, front[metric], where="post", color=GREY, linewidth=1.2, linestyle="--")
    if mean["energy_pj"].max() > 4 * mean["energy_pj"].min():
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(0.18)
    axis.set_xlabel(ESTIMATE)
    axis.set_ylabel(f"{metric} (%)")
    return named, lines


def pareto_front(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that no other row beats in both: less energy and a higher metric."""
    rows = table.sort_values(["energy_pj", metric], ascending=[True, False])
    return rows[rows[metric] > rows[metric].cummax().shift(fill_value=-np.inf)]
