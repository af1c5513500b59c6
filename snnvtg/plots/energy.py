"""Energy figures: where it goes, what the price tables make of it, how it depends on T, what accuracy it buys."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.front import ESTIMATE, pareto_front
from snnvtg.plots.labels import label_ends, label_points
from snnvtg.plots.style import (
    AMBER,
    BLUE,
    DENSE,
    GREEN,
    GREY,
    GRID,
    INK,
    LOOKS,
    ORANGE,
    PURPLE,
    QUANTISED,
    RED,
    SPIKING,
    style,
)
from snnvtg.plots.text import label, titled

CAUSE_COLOURS = {
    "MACs": BLUE,
    "synaptic accumulates": ORANGE,
    "neurons": RED,
    "elementwise": GREEN,
    "special functions": PURPLE,
    "arithmetic": AMBER,
    "memory traffic": GREY,
    "other causes": INK,
}
WHO = {
    "spiking_pj": (SPIKING, "o", "spiking"),
    "dense_twin_pj": (DENSE, "s", "dense twin"),
    "quantised_twin_pj": (QUANTISED, "D", "quantised twin"),
}


def breakdown_figure(parts: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """A panel for each price table's title → module table (part, one column a cause in pJ, total): µJ per query."""
    with style():
        rows = max(len(small_parts_joined(table)) for table in parts.values())
        figure = Figure(figsize=(5.8 * len(parts), 1.9 + 0.42 * rows), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(parts)))
        shown = {}
        for axis, (name, table) in zip(panels, parts.items(), strict=True):
            _stacked(axis, small_parts_joined(table).iloc[::-1])
            axis.set_xlabel(f"energy per query\n(µJ, estimate: {label(name)})")
            shown |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4)
        titled(figure, title)
    return figure


def _stacked(axis: Axes, rows: pd.DataFrame) -> None:
    left = np.zeros(len(rows))
    for cause in (column for column in rows if column in CAUSE_COLOURS):
        values = rows[cause].to_numpy() / 1e6
        axis.barh(range(len(rows)), values, left=left, color=CAUSE_COLOURS[cause], label=cause, height=0.7)
        left += values
    for place, total in enumerate(left):
        share = total / left.sum() if left.sum() else 0.0
        axis.annotate(f"{share:.0%}", (total, place), (4, 0), textcoords="offset points", va="center", fontsize=10.5)
    axis.set_yticks(range(len(rows)), rows["part"].map(label))
    axis.grid(visible=False, axis="y")
    axis.set_xlim(0, 1.15 * left.max())


def small_parts_joined(table: pd.DataFrame, below: float = 0.01) -> pd.DataFrame:
    """Parts with less than this share of the total as one last row, `other`."""
    table = table[["part", *table.select_dtypes("number")]]
    small = table["total"] < below * table["total"].sum()
    if small.sum() < 2:
        return table
    other = pd.DataFrame([{"part": f"other ({small.sum()} parts)", **table[small].sum(numeric_only=True)}])
    return pd.concat([table[~small], other], ignore_index=True)


def range_figure(table: pd.DataFrame, title: str) -> Figure:
    """A range table: one row a price table, the network above its twins, each on a line of its own; logarithmic."""
    rows = table.sort_values("spiking_pj", ascending=False, ignore_index=True)
    with style():
        figure = Figure(figsize=(9.5, 0.46 * len(rows) + 1.6), layout="constrained")
        axis = figure.subplots()
        span = rows[list(WHO)]
        axis.hlines(rows.index, span.min(axis=1) / 1e6, span.max(axis=1) / 1e6, color=GRID, linewidth=16, zorder=1)
        for above, (name, (colour, marker, _)) in zip((0.24, 0.0, -0.24), WHO.items(), strict=True):
            axis.scatter(rows[name] / 1e6, rows.index + above, color=colour, marker=marker, s=34, zorder=3)
        axis.set_yticks(rows.index, rows["title"].map(label))
        axis.set_ylim(-0.7, len(rows) - 0.3)
        axis.set_xscale("log")
        axis.set_xlabel("energy per query (µJ, estimate: the price table of the row)")
        axis.grid(axis="y", visible=False)
        titled(figure, title)
        last = [(rows[name].iloc[0] / 1e6, above) for above, name in zip((0.24, 0.0, -0.24), WHO, strict=True)]
        label_points(axis, last, [words for _, _, words in WHO.values()], [colour for colour, *_ in WHO.values()])
    return figure


def timestep_figure(table: pd.DataFrame, models: Sequence[str], title: str = "") -> Figure:
    """Energy against T: one panel a price table; columns cost_model, num_timesteps and those of a range table."""
    with style():
        figure = Figure(figsize=(3.8 * len(models) + 1.2, 3.8), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(models)))
        for axis, model in zip(panels, models, strict=True):
            rows = table[table["cost_model"] == model].sort_values("num_timesteps")
            steps = rows["num_timesteps"]
            for name, (colour, marker, words) in WHO.items():
                axis.plot(steps, rows[name] / 1e6, color=colour, marker=marker, label=words)
            axis.plot(steps, rows["silent_pj"] / 1e6, color=SPIKING, linestyle=":", label="spiking, silent")
            step_axis(axis, steps)
            axis.set_title(label(rows["title"].iloc[0].replace(", arithmetic only", "")), fontsize=11.5)
            axis.set_ylim(0, 1.12 * rows[[*WHO, "silent_pj"]].to_numpy().max() / 1e6)
        panels[0].set_ylabel("energy per query\n(µJ, estimate: the panel's prices)")
        titled(figure, title)
        lines = panels[-1].lines
        ends = [(line.get_xdata()[-1], line.get_ydata()[-1], line.get_label(), line.get_color()) for line in lines]
        label_ends(panels[-1], ends)
    return figure


def pareto_figure(table: pd.DataFrame, metric: str, subject: str, queries: int | None = None) -> Figure:
    """Accuracy against energy: columns series, energy_pj, `metric`, label, and `low`, `high` where they are known.

    One panel for the series whose energy is of the same queries (its first), one for those of a sweep, which counts
    all of its own: points over different queries are never joined. A dashed line joins the best of a panel.
    """
    names = list(dict.fromkeys(table["series"]))
    groups = [names[:1], names[1:]] if len(names) > 1 else [names]
    counted = "" if queries is None else f"energy over {queries} queries"
    with style():
        figure = Figure(figsize=(6.4 * len(groups), 4.9), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(groups), sharey=True))
        for axis, group, over in zip(panels, groups, [counted, "energy over all queries of the split"], strict=False):
            rows = table[table["series"].isin(group)]
            _trade_panel(axis, rows, metric)
            axis.set_title(f"{group[0]}: {over}".strip(": ") if len(group) == 1 else f"retrained at T: {over}")
            axis.set_xlabel(ESTIMATE)
        panels[0].set_ylabel(f"{metric} (%)")
        titled(figure, f"Accuracy against energy: {subject}")
        figure.supxlabel(_bars_in_words(table), fontsize=10.5, color=GREY)
        for axis, group in zip(panels, groups, strict=True):
            _name_points(axis, table[table["series"].isin(group)], metric)
    return figure


def _trade_panel(axis: Axes, rows: pd.DataFrame, metric: str) -> None:
    for (colour, marker), (_, part) in zip(_looks(rows), rows.groupby("series", sort=False), strict=False):
        known = "low" in part and part["low"].notna().all()
        bars = [part[metric] - part["low"], part["high"] - part[metric]] if known else None
        axis.errorbar(
            part["energy_pj"] / 1e6, part[metric], bars, fmt=marker, color=colour, capsize=3, elinewidth=1.3, zorder=3
        )
    best = pareto_front(rows, metric)
    axis.step(best["energy_pj"] / 1e6, best[metric], where="post", color=GREY, linewidth=1.2, linestyle="--", zorder=2)
    axis.margins(0.18)


def _name_points(axis: Axes, rows: pd.DataFrame, metric: str) -> None:
    several = rows["series"].nunique() > 1
    points, texts, colours, bars = [], [], [], []
    for (colour, _), (series, part) in zip(_looks(rows), rows.groupby("series", sort=False), strict=False):
        first = True
        for _, row in part.iterrows():
            points.append((row["energy_pj"] / 1e6, row[metric]))
            kind = series.removeprefix("retrained at T, ")
            texts.append(label(f"{row['label']}, {kind}" if several and first else row["label"]))
            colours.append(colour)
            if "low" in row and row["low"] == row["low"]:
                bars.append([(row["energy_pj"] / 1e6, row["low"]), (row["energy_pj"] / 1e6, row["high"])])
            first = False
    label_points(axis, points, texts, colours, bars)


def _looks(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return [(SPIKING, "o")] if rows["series"].nunique() == 1 else list(LOOKS)


def _bars_in_words(table: pd.DataFrame) -> str:
    known = table["low"].notna() if "low" in table else pd.Series(False, table.index)
    words = ["dashed: nothing is better in both"]
    if known.any():
        words.append("bars: standard deviation over seeds, of one model 95 % over test videos")
    if not known.all():
        words.append("no bar where the table kept no figures of single queries")
    return "; ".join(words)


def step_axis(axis: Axes, steps: pd.Series) -> None:
    """Ticks at the T that were used, and what they are."""
    ticks = sorted(set(steps))
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_xlabel("T (simulation steps)")
