"""The time-step sweep as one figure: what spiking buys on the left, what it costs on the right."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.grid import lines_of
from snnvtg.plots.labels import label_ends, label_points
from snnvtg.plots.style import BLUE, GREY, LOOKS, ORANGE, style
from snnvtg.plots.text import titled

ALONG = "num_timesteps"
UNTRAINED = (("prior", "--", "best fixed window"), ("linear", "-.", "linear map alone"))
WORDS = {"num_slots = 0": "no slots"}
"""what a line is called, where its setting's name would not do"""
PRICES = "µJ, estimate: 45 nm fp32"
SHIFT = 1.035
"""lines beside one another are shifted a little, as a factor of T"""
HOLLOW = "sDv^Pp"
"""markers of the first, second, … control"""


def timestep_figure(
    table: pd.DataFrame,
    axes: Sequence[str],
    controls: Sequence[str],
    metrics: Sequence[str],
    title: str,
    intervals: pd.DataFrame | None = None,
) -> Figure:
    """Draw a table over T; lines are means over seeds, error bars their standard deviation.

    `axes` name the columns of the grid, `num_timesteps` among them; `controls` the rows of the column `model` drawn
    dotted, each with a hollow marker of its own; `metrics` one or two figures in percent. `intervals` (columns row,
    metric, low, high, in percent) are drawn where there is one seed, so that no point stands without its error.
    """
    others = [name for name in axes if name != ALONG]
    own = table[table["seed"].notna() & ~table["model"].isin(controls)]
    with style():
        figure = Figure(figsize=(14, 8.4), layout="constrained")
        panels = figure.subplots(2, 3)
        for axis, metric in zip(panels[:, 0], metrics, strict=False):
            found = None if intervals is None else intervals[intervals["metric"] == metric].set_index("row")
            accuracy_panel(axis, table, own, others, controls, metric, found)
        rate_panel(panels[0, 1], own, others)
        energy_panel(panels[0, 2], own, others)
        operations_panel(panels[1, 1], own, others)
        found = None if intervals is None else intervals[intervals["metric"] == metrics[-1]].set_index("row")
        trade = tradeoff_panel(panels[1, 2], own, others, metrics[-1], found)
        for axis in (*panels[:, 0], *panels[:, 1], panels[0, 2]):
            _timestep_axis(axis, own)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=2.5)
        titled(figure, f"{title}: {_bars_in_words(own, intervals)}")
        label_points(panels[1, 2], *trade)
        _label_rates(panels[0, 1])
    return figure


def _bars_in_words(own: pd.DataFrame, intervals: pd.DataFrame | None) -> str:
    seeds = own["seed"].nunique()
    if seeds > 1:
        return f"{seeds} seeds, mean ± standard deviation"
    return "1 seed" if intervals is None or intervals.empty else "1 seed, bars: 95 % over test videos"


def accuracy_panel(
    axis: Axes,
    table: pd.DataFrame,
    own: pd.DataFrame,
    others: list[str],
    controls: Sequence[str],
    metric: str,
    intervals: pd.DataFrame | None = None,
) -> None:
    """A metric against T, with the controls and what no network is needed for."""
    for place, ((colour, marker), label, rows) in enumerate(_looks(own, others)):
        shift = SHIFT**place
        _mean_and_bars(axis, rows, metric, shift, color=colour, marker=marker, label=label or "as it is")
        if intervals is not None:
            _intervals(axis, rows[rows["row"].isin(intervals.index)], metric, intervals, shift, colour)
        dotted = {"color": colour, "linestyle": ":", "linewidth": 1.2, "markersize": 5, "markerfacecolor": "white"}
        for number, (control, hollow) in enumerate(zip(controls, HOLLOW, strict=False)):
            answers = table[(table["model"] == control) & table["row"].isin(rows["row"])]
            words = ", ".join(filter(None, [label, control.replace("-", " ")]))
            beside = shift * SHIFT ** (number + 1)
            _mean_and_bars(axis, answers, metric, beside, marker=hollow, label=words, **dotted)
    for model, line, label in UNTRAINED:
        for value in table.loc[table["model"] == model, metric]:
            axis.axhline(value, color=GREY, linestyle=line, linewidth=1.5, label=label)
    axis.set_title(f"{metric} (%)")


def rate_panel(axis: Axes, own: pd.DataFrame, others: list[str]) -> None:
    """Firing rate of each kind of LIF layer, mean over the blocks that have one."""
    _, label, rows = next(_looks(own, others))
    layers = [name for name in own if name.startswith("firing_rate:") and rows[name].notna().any()]
    kinds = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
    for place, ((colour, marker), kind) in enumerate(zip(LOOKS * len(kinds), kinds, strict=False)):
        columns = [name for name in layers if name.rpartition(".")[2] == kind]
        rates = rows.assign(rate=100 * rows[columns].mean(axis=1))
        words = kind.removeprefix("firing_rate:")
        _mean_and_bars(axis, rates, "rate", SHIFT ** (place - 1.5), color=colour, marker=marker, label=words)
    axis.set_title(f"Firing rate (% of neurons{_only(label)})")
    axis.set_ylim(0, 1.12 * axis.get_ylim()[1])
    if kinds:  # room for their names
        axis.set_xlim(right=own[ALONG].max() * 2.1)


def _label_rates(axis: Axes) -> None:
    """The layers' names at the ends of their lines."""
    lines = [line for line in axis.lines if not line.get_label().startswith("_")]
    label_ends(axis, [(max(x.get_xdata()), x.get_ydata()[-1], x.get_label(), x.get_color()) for x in lines])


def energy_panel(axis: Axes, own: pd.DataFrame, others: list[str]) -> None:
    """Energy per query by kind of operation, stacked."""
    _, label, rows = next(_looks(own, others))
    parts = {
        "energy_mac_pj": ("dense products (MACs)", BLUE),
        "energy_other_pj": ("scan, exp, norms, gates, neurons", GREY),
        "energy_ac_pj": ("spike-driven accumulates", ORANGE),
    }
    mean = rows.groupby(ALONG)[list(parts)].mean() / 1e6
    steps, below = mean.index.to_numpy(dtype=float), 0
    for name, (words, colour) in parts.items():
        # bars of equal width on a logarithmic axis
        axis.bar(steps / 1.23, mean[name], steps * (1.23 - 1 / 1.23), below, align="edge", color=colour, label=words)
        below = below + mean[name].to_numpy()
    share = (mean["energy_ac_pj"] / mean.sum(axis=1)).max()
    axis.set_title(f"Energy ({PRICES}{_only(label)})", fontsize=11.5)
    axis.set_ylim(0, 1.42 * below.max())
    handles, words = axis.get_legend_handles_labels()
    words[-1] += f", at most {share:.2%}"
    axis.legend(handles[::-1], words[::-1], fontsize=10, loc="upper left", borderaxespad=0.1)


def operations_panel(axis: Axes, own: pd.DataFrame, others: list[str]) -> None:
    """MACs and synaptic operations per query."""
    for place, ((colour, marker), _, rows) in enumerate(_looks(own, others)):
        for name, line in (("macs", "--"), ("synops", "-")):
            scaled = rows.assign(value=rows[name] / 1e6)
            _mean_and_bars(axis, scaled, "value", SHIFT**place, color=colour, marker=marker, linestyle=line)
            if not place and scaled["value"].gt(0).any():
                _name_operation(axis, scaled, name)
    if (own[["macs", "synops"]] > 0).any(axis=None):
        axis.set_yscale("log")
        axis.set_ylim(top=axis.get_ylim()[1] * 3)
    axis.set_title("Operations per query (millions)")


def _name_operation(axis: Axes, rows: pd.DataFrame, name: str) -> None:
    """MACs above the left end of their line, accumulates beneath the right end of theirs."""
    words, far, side = {"macs": ("MACs (dashed)", 13, "left"), "synops": ("spike-driven accumulates", -46, "right")}[
        name
    ]
    step = rows[ALONG].min() if side == "left" else rows[ALONG].max()
    place = (step, rows[rows[ALONG] == step]["value"].mean())
    axis.annotate(words, place, (0, far), textcoords="offset points", fontsize=10.5, color=GREY, ha=side)


def tradeoff_panel(
    axis: Axes, own: pd.DataFrame, others: list[str], metric: str, intervals: pd.DataFrame | None = None
) -> tuple[list[tuple[float, float]], list[str], list[str], list[list[tuple[float, float]]]]:
    """Accuracy bought against energy spent, with its error; what `label_points` takes to name each point by its T."""
    points, texts, colours, lines = [], [], [], []
    for (colour, marker), _, rows in _looks(own, others):
        grouped = rows.groupby(ALONG)
        mean, spread = grouped[["energy_pj", metric]].mean(), grouped[metric].std()
        bars = spread.to_numpy()
        if intervals is not None and rows["row"].isin(intervals.index).all():
            ends = intervals.loc[grouped["row"].first(), ["low", "high"]].to_numpy()
            bars = abs(ends.T - mean[metric].to_numpy())
        look = {"color": colour, "marker": marker, "capsize": 3, "elinewidth": 1.2}
        axis.errorbar(mean["energy_pj"] / 1e6, mean[metric], bars, **look)
        here = [(row["energy_pj"] / 1e6, row[metric]) for _, row in mean.iterrows()]
        ends = np.broadcast_to(np.nan_to_num(bars), (2, len(here)))
        tops = [(x, y + high) for (x, y), high in zip(here, ends[1], strict=True)]
        lines += [here, *([(x, y - low), (x, y + high)] for (x, y), low, high in zip(here, *ends, strict=True))]
        points += tops  # where an error bar ends there is room for a name
        texts += [f"T={step:g}" for step in mean.index]
        colours += [colour] * len(mean)
    axis.margins(x=0.16, y=0.14)
    axis.set_title(f"{metric} (%) against energy")
    axis.set_xlabel(f"energy per query ({PRICES})")
    return points, texts, colours, lines


def _only(label: str) -> str:
    return f", {label} only" if label else ""


def _looks(own: pd.DataFrame, others: list[str]) -> Iterator[tuple[tuple[str, str], str, pd.DataFrame]]:
    """Look, label and rows of each line, those of the largest values first."""
    lines = lines_of(own.sort_values(others, ascending=False) if others else own, others)
    for look, (label, rows) in zip(LOOKS * len(lines), lines, strict=False):
        words = WORDS.get(label, label)
        if label.startswith("num_slots = ") and words == label:
            words = f"{label.removeprefix('num_slots = ')} slots"
        yield look, words, rows


def _mean_and_bars(axis: Axes, rows: pd.DataFrame, column: str, shift: float, **look) -> None:
    if rows.empty or rows[column].isna().all():
        return
    grouped = rows.groupby(ALONG)[column]
    mean, spread = grouped.mean(), grouped.std()
    at = mean.index.to_numpy(dtype=float) * shift
    axis.plot(at, mean, **look)
    if spread.notna().any():
        axis.errorbar(at, mean, spread, fmt="none", color=look["color"], linewidth=1.3, capsize=3)


def _intervals(axis: Axes, rows: pd.DataFrame, metric: str, intervals: pd.DataFrame, shift: float, colour: str) -> None:
    """The interval of each row that has one."""
    if rows.empty:
        return
    low, high = (intervals.loc[rows["row"], end].to_numpy() for end in ("low", "high"))
    value, at = rows[metric].to_numpy(dtype=float), rows[ALONG].to_numpy(dtype=float) * shift
    axis.errorbar(at, value, [value - low, high - value], fmt="none", color=colour, linewidth=1.3, capsize=3)


def _timestep_axis(axis: Axes, own: pd.DataFrame) -> None:
    steps = sorted(own[ALONG].dropna().unique())
    axis.set_xscale("log", base=2)
    axis.set_xticks(steps, [f"{step:g}" for step in steps])
    axis.minorticks_off()
    axis.set_xlabel("time steps T")
