"""Energy figures: where it goes, what the conventions make of it, how it depends on T, where spiking breaks even."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.energy.breakeven import PublishedBreakEven
from snnvtg.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED, style
from snnvtg.plots.text import label, plain_lines

CAUSE_COLOURS = {
    "MACs": BLUE,
    "synaptic accumulates": ORANGE,
    "neurons": RED,
    "elementwise": GREEN,
    "special functions": PURPLE,
    "arithmetic": BLUE,
    "memory traffic": GREY,
    "other causes": INK,
}
WHO = {
    "spiking_pj": (ORANGE, "o", "spiking, as measured"),
    "dense_twin_pj": (BLUE, "s", "dense twin"),
    "quantised_twin_pj": (GREEN, "D", "quantised twin"),
}


def breakdown_figure(parts: Mapping[str, pd.DataFrame]) -> Figure:
    """A panel for each title → module table (part, one column a cause in pJ, total): stacked bars, µJ per query."""
    with style():
        figure = Figure(figsize=(6.2 * len(parts), 4.6), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(parts)))
        for axis, (title, table) in zip(panels, parts.items(), strict=True):
            rows = small_parts_joined(table).iloc[::-1]
            left = np.zeros(len(rows))
            for cause in (column for column in table if column in CAUSE_COLOURS):
                values = rows[cause].to_numpy() / 1e6
                axis.barh(range(len(rows)), values, left=left, color=CAUSE_COLOURS[cause], label=cause, height=0.7)
                left += values
            for place, total in enumerate(left):
                share = total / left.sum() if left.sum() else 0.0
                axis.annotate(
                    f"{share:.0%}", (total, place), (4, 0), textcoords="offset points", va="center", fontsize=8
                )
            axis.set_yticks(range(len(rows)), rows["part"].map(label))
            axis.set_title(label(title))
            axis.set_xlabel("energy per query (µJ)")
            axis.grid(visible=False, axis="y")
            axis.set_xlim(0, 1.12 * left.max())
            axis.legend(fontsize=8, loc="lower right")
    return figure


def small_parts_joined(table: pd.DataFrame, below: float = 0.01) -> pd.DataFrame:
    """Parts with less than this share of the total as one last row, `other`."""
    table = table[["part", *table.select_dtypes("number")]]
    small = table["total"] < below * table["total"].sum()
    if small.sum() < 2:
        return table
    other = pd.DataFrame([{"part": f"other ({small.sum()} parts)", **table[small].sum(numeric_only=True)}])
    return pd.concat([table[~small], other], ignore_index=True)


def range_figure(table: pd.DataFrame, title: str) -> Figure:
    """A range table: one row a cost model, dots for the network and its twins on a logarithmic axis."""
    rows = table.sort_values("spiking_pj", ascending=False, ignore_index=True)
    with style():
        figure = Figure(figsize=(9.5, 0.38 * len(rows) + 1.7), layout="constrained")
        axis = figure.subplots()
        for name, (colour, marker, words) in WHO.items():
            axis.scatter(rows[name] / 1e6, rows.index, color=colour, marker=marker, s=38, label=words, zorder=3)
        span = rows[list(WHO)]
        axis.hlines(rows.index, span.min(axis=1) / 1e6, span.max(axis=1) / 1e6, color="#cbd2d9", linewidth=2, zorder=1)
        axis.set_yticks(rows.index, rows["title"].map(label))
        axis.set_xscale("log")
        axis.set_xlabel("energy per query (µJ)")
        axis.set_title(plain_lines(title))
        axis.legend(fontsize=8, loc="upper right")
    return figure


def timestep_figure(table: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Energy against T: one panel a cost model; columns cost_model, num_timesteps and those of a range table."""
    with style():
        figure = Figure(figsize=(4.2 * len(models), 3.6), layout="constrained")
        for axis, model in zip(np.atleast_1d(figure.subplots(1, len(models))), models, strict=True):
            rows = table[table["cost_model"] == model].sort_values("num_timesteps")
            for name, (colour, marker, words) in WHO.items():
                axis.plot(rows["num_timesteps"], rows[name] / 1e6, color=colour, marker=marker, label=words)
            axis.plot(
                rows["num_timesteps"], rows["silent_pj"] / 1e6, color=ORANGE, linestyle=":", label="spiking, silent"
            )
            _steps(axis, rows["num_timesteps"])
            axis.set_title(label(rows["title"].iloc[0]))
            axis.set_ylim(0, 1.12 * rows[[*WHO, "silent_pj"]].to_numpy().max() / 1e6)
        figure.axes[0].set_ylabel("energy per query (µJ)")
        figure.axes[0].legend(fontsize=8)
    return figure


def pareto_figure(table: pd.DataFrame, metric: str, title: str) -> Figure:
    """Accuracy against energy: columns series, energy_pj, `metric` and label; a line joins the best of all."""
    with style():
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        axis = figure.subplots()
        colours = (ORANGE, BLUE, GREEN, PURPLE, RED, GREY)
        for colour, (series, rows) in zip(colours, table.groupby("series", sort=False), strict=False):
            axis.scatter(rows["energy_pj"] / 1e6, rows[metric], color=colour, s=42, label=label(series), zorder=3)
            for _, row in rows.iterrows():
                place = (row["energy_pj"] / 1e6, row[metric])
                axis.annotate(label(row["label"]), place, (5, 4), textcoords="offset points", fontsize=8)
        best = pareto_front(table, metric)
        axis.step(best["energy_pj"] / 1e6, best[metric], where="post", color=INK, linewidth=1, linestyle="--", zorder=2)
        axis.set_xlabel("energy per query (µJ)")
        axis.set_ylabel(f"{metric} (%)")
        axis.set_title(plain_lines(title))
        axis.margins(0.12)
        axis.legend(fontsize=8, loc="lower right")
    return figure


def pareto_front(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that no other row beats in both: less energy and a higher metric."""
    rows = table.sort_values(["energy_pj", metric], ascending=[True, False])
    return rows[rows[metric] > rows[metric].cummax().shift(fill_value=-np.inf)]


def break_even_figure(
    network: pd.DataFrame, layer: pd.DataFrame, literature: Sequence[PublishedBreakEven], num_timesteps: int
) -> Figure:
    """Left: break-even rate of one layer against T (columns title, rival, num_timesteps, break_even_rate) beside
    published points; dashed against the quantised rival. Right: break-even rates of the whole network under each cost
    model (a range table) against its dense twin, a bar, and its quantised twin, a diamond, and where it stands.
    """
    with style():
        figure = Figure(figsize=(13, 5.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
        measured = network["firing_rate"].iloc[0]
        _layer_panel(left, layer, literature)
        left.plot(
            num_timesteps,
            measured,
            marker="*",
            markersize=15,
            color=RED,
            linestyle="none",
            label="this network, all layers",
        )
        left.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
        _network_panel(right, network, measured)
    return figure


def _layer_panel(axis: Axes, layer: pd.DataFrame, literature: Sequence[Mapping]) -> None:
    colours = (BLUE, GREEN, PURPLE, ORANGE, GREY, INK)
    for colour, (title, both) in zip(colours, layer.groupby("title", sort=False), strict=False):
        for rival, rows in both[both["break_even_rate"] > 0].groupby("rival", sort=False):
            dashed = rival == "quantised"
            label = f"_{title}" if dashed else title
            style_of = "--" if dashed else "-"
            axis.plot(rows["num_timesteps"], rows["break_even_rate"], style_of, color=colour, label=label)
    for marker, point in zip("XPv", literature, strict=False):
        middle = (point.low * point.high) ** 0.5
        spread = [[middle - point.low], [point.high - middle]]
        axis.errorbar(
            point.num_timesteps,
            middle,
            spread,
            marker=marker,
            color=INK,
            capsize=4,
            ls="none",
            label=f"{point.source}, against {point.rival}",
        )
    axis.axhline(1, color=GREY, linewidth=1, linestyle=":")
    axis.set_yscale("log")
    axis.set_xscale("log", base=2)
    _steps(axis, layer["num_timesteps"])
    axis.set_ylabel("firing rate below which spiking wins")
    axis.set_title("One fully connected layer, 256 → 256 (dashed: against ⌈log2(T + 1)⌉ bits)")


def _network_panel(axis: Axes, network: pd.DataFrame, measured: float) -> None:
    low, high = 1e-3, 1.6
    for place, row in network.iterrows():
        even = row["break_even_rate"]
        if even == 0:
            axis.annotate("spiking costs more even in silence", (low * 1.15, place), fontsize=8, color=RED, va="center")
        elif even > 1:
            axis.annotate("spiking wins at any rate", (low * 1.15, place), fontsize=8, color=GREEN, va="center")
        else:
            axis.plot(even, place, marker="|", markersize=16, markeredgewidth=3, color=INK)
            axis.hlines(place, low, even, color=GREEN, alpha=0.35, linewidth=8)
        if low < row["break_even_quantised_rate"] <= 1:
            axis.plot(row["break_even_quantised_rate"], place, marker="D", markersize=6, color=PURPLE)
    axis.axvline(measured, color=RED, linewidth=1.5)
    axis.annotate(f"measured {measured:.1%}", (measured, len(network) - 0.4), color=RED, fontsize=8, ha="center")
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    axis.set_ylim(-0.7, len(network) + 0.1)
    axis.set_yticks(range(len(network)), network["title"])
    axis.set_xlabel("firing rate (spikes per neuron and step)")
    axis.set_title("The whole network against its dense twin (diamond: its quantised twin)")


def _steps(axis: Axes, steps: pd.Series) -> None:
    ticks = sorted(set(steps))
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.minorticks_off()
    axis.set_xlabel("T (simulation steps)")
