"""Models beside one another: accuracy against energy."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from snnvtg.plots.style import BLUE, GREY, ORANGE, style
from snnvtg.plots.text import label, titled


def accuracy_energy_figure(table: pd.DataFrame, metrics: list[str], title: str) -> Figure:
    """A panel for each metric: every model a point, mean ± standard deviation over its seeds, energy logarithmic.

    `table` has columns model, seed, energy_pj, firing_rate and the metrics in percent; a model without a seed has no
    energy (the fixed window) and is a line across. Orange: it spikes; blue: it does not.
    """
    shown = [metric for metric in metrics if metric in table and table[metric].notna().any()]
    with style():
        figure = Figure(figsize=(max(7.5, 0.8 + 5.4 * len(shown)), 4.6), layout="constrained")
        for axis, metric in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            _panel(axis, table[table[metric].notna()], metric)
        titled(figure, title)
        figure.supxlabel(
            "energy per query (µJ, estimated at 45 nm fp32); bars: standard deviation over seeds; "
            "orange: spiking, blue: not",
            fontsize=9,
            color=GREY,
        )
    return figure


def _panel(axis: Axes, table: pd.DataFrame, metric: str) -> None:
    for name, part in table.groupby("model", sort=False):
        height = part[metric].mean()
        if part["energy_pj"].isna().all():
            axis.axhline(height, color=GREY, linestyle=":", linewidth=1.4)
            place = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right", "color": GREY, "fontsize": 8}
            axis.annotate(label(str(name)), (1, height), xycoords=("axes fraction", "data"), **place)
            continue
        energy = part["energy_pj"] / 1e6
        colour = ORANGE if part["firing_rate"].notna().any() else BLUE
        spread = {"xerr": energy.std(), "yerr": part[metric].std()} if len(part) > 1 else {}
        axis.errorbar(energy.mean(), height, **spread, fmt="o", color=colour, capsize=3, linewidth=1.4)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_ylabel(f"{metric} (%)")
    axis.margins(0.16)
    _labels(axis, table[table["energy_pj"].notna()], metric)


def _labels(axis: Axes, table: pd.DataFrame, metric: str) -> None:
    """Each model's name to the right of its point, pushed up where it would lie on the one below."""
    points = table.groupby("model", sort=False)[["energy_pj", metric]].mean().sort_values(metric)
    low, high = axis.get_ylim()
    line, below = 0.05 * (high - low), low
    for name, (energy, height) in points.iterrows():
        below = max(height, below + line)
        axis.annotate(label(str(name)), (energy / 1e6 * 1.1, below), fontsize=8, va="center", annotation_clip=False)
