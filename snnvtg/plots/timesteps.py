"""The time-step sweep as one figure: what spiking buys on the left, what it costs on the right."""

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.grid import lines_of
from snnvtg.plots.style import BLUE, GREY, LOOKS, ORANGE, style
from snnvtg.plots.text import titled

ALONG = "num_timesteps"
UNTRAINED = (("prior", "--", "best fixed window"), ("linear", "-.", "linear map alone"))


def timestep_figure(
    table: pd.DataFrame,
    axes: Sequence[str],
    controls: Sequence[str],
    metrics: Sequence[str],
    title: str,
    intervals: pd.DataFrame | None = None,
) -> Figure:
    """Draw a table over T; lines are means over seeds, bands reach from the lowest to the highest seed.

    `axes` name the columns of the grid, `num_timesteps` among them; `controls` the rows of the column `model` drawn
    dotted; `metrics` one or two figures in percent. `intervals` (columns row, metric, low, high, in percent) are drawn
    where there is one seed, so that no point stands without its error.
    """
    others = [name for name in axes if name != ALONG]
    own = table[table["seed"].notna() & ~table["model"].isin(controls)]
    with style():
        figure = Figure(figsize=(13, 6.6), layout="constrained")
        panels = figure.subplots(2, 3)
        for axis, metric in zip(panels[:, 0], metrics, strict=False):
            accuracy_panel(axis, table, own, others, controls, metric)
            if intervals is not None:
                _error_bars(axis, own, others, metric, intervals[intervals["metric"] == metric].set_index("row"))
        rate_panel(panels[0, 1], own, others)
        energy_panel(panels[0, 2], own, others)
        operations_panel(panels[1, 1], own, others)
        tradeoff_panel(panels[1, 2], own, others, metrics[-1])
        for axis in (*panels[:, 0], *panels[:, 1], panels[0, 2]):
            _timestep_axis(axis, own)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, handlelength=2.5)
        seeds = own["seed"].nunique()
        words = "1 seed" if seeds == 1 else f"{seeds} seeds, mean and range"
        if intervals is not None and len(intervals):
            words += ", 95 % intervals over test videos"
        titled(figure, f"{title}: {words}")
    return figure


def accuracy_panel(
    axis: Axes, table: pd.DataFrame, own: pd.DataFrame, others: list[str], controls: Sequence[str], metric: str
) -> None:
    """A metric against T, with the controls and what no network is needed for."""
    for (colour, marker), label, rows in _looks(own, others):
        _mean_and_range(axis, rows, metric, color=colour, marker=marker, label=label or "as it is")
        for control in controls:
            answers = table[(table["model"] == control) & table["row"].isin(rows["row"])]
            words = ", ".join(filter(None, [label, control]))
            _mean_and_range(axis, answers, metric, color=colour, linestyle=":", label=words)
    for model, line, label in UNTRAINED:
        for value in table.loc[table["model"] == model, metric]:
            axis.axhline(value, color=GREY, linestyle=line, linewidth=1.5, label=label)
    axis.set_title(f"{metric} (%)")


def rate_panel(axis: Axes, own: pd.DataFrame, others: list[str]) -> None:
    """Firing rate of each kind of LIF layer, mean over the blocks that have one."""
    rows = next(_looks(own, others))[2]
    layers = [name for name in own if name.startswith("firing_rate:") and rows[name].notna().any()]
    kinds = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
    for (colour, _), kind in zip(LOOKS * len(kinds), kinds, strict=False):
        columns = [name for name in layers if name.rpartition(".")[2] == kind]
        rates = rows.assign(rate=100 * rows[columns].mean(axis=1))
        _mean_and_range(axis, rates, "rate", color=colour, marker="o", label=kind.removeprefix("firing_rate:"))
    axis.set_title("Firing rate (% of neurons per step)")
    axis.set_ylim(bottom=0)
    if kinds:
        axis.legend(fontsize=8)


def energy_panel(axis: Axes, own: pd.DataFrame, others: list[str]) -> None:
    """Energy per query by kind of operation, stacked."""
    _, label, rows = next(_looks(own, others))
    parts = {
        "energy_mac_pj": ("MACs (dense)", GREY),
        "energy_other_pj": ("scan, exp, norms, gates, neurons", BLUE),
        "energy_ac_pj": ("ACs (spike-driven)", ORANGE),
    }
    mean = rows.groupby(ALONG)[list(parts)].mean() / 1e6
    steps, below = mean.index.to_numpy(dtype=float), 0
    for name, (words, colour) in parts.items():
        # bars of equal width on a logarithmic axis
        axis.bar(steps / 1.23, mean[name], steps * (1.23 - 1 / 1.23), below, align="edge", color=colour, label=words)
        below = below + mean[name].to_numpy()
    axis.set_title("Energy per query (µJ, 45 nm fp32 estimate)")
    axis.set_ylim(0, 1.3 * below.max())
    axis.legend(fontsize=8, loc="upper left", title=label or None, title_fontsize=8, alignment="left")


def operations_panel(axis: Axes, own: pd.DataFrame, others: list[str]) -> None:
    """MACs and synaptic operations per query."""
    for (colour, marker), label, rows in _looks(own, others):
        for name, line in (("macs", "--"), ("synops", "-")):
            scaled = rows.assign(value=rows[name] / 1e6)
            words = ", ".join(filter(None, [name, label]))
            _mean_and_range(axis, scaled, "value", color=colour, marker=marker, linestyle=line, label=words)
    axis.set_yscale("log")
    axis.set_title("Operations per query (millions)")
    axis.legend(fontsize=8, handlelength=3)


def tradeoff_panel(axis: Axes, own: pd.DataFrame, others: list[str], metric: str) -> None:
    """Accuracy bought against energy spent; the number at a point is T."""
    for (colour, marker), label, rows in _looks(own, others):
        mean = rows.groupby(ALONG)[["energy_pj", metric]].mean()
        axis.scatter(rows["energy_pj"] / 1e6, rows[metric], color=colour, marker=marker, s=18, alpha=0.35)
        axis.plot(mean["energy_pj"] / 1e6, mean[metric], color=colour, marker=marker, label=label or None)
        for steps, row in mean.iterrows():
            point = (row["energy_pj"] / 1e6, row[metric])
            axis.annotate(f"T={int(steps)}", point, textcoords="offset points", xytext=(6, 5), fontsize=8, color=colour)
    axis.set_title(f"{metric} (%) against energy (µJ)")
    axis.set_xlabel("energy per query (µJ, 45 nm fp32 estimate)")
    if others:
        axis.legend(fontsize=8)


def _looks(own: pd.DataFrame, others: list[str]) -> Iterator[tuple[tuple[str, str], str, pd.DataFrame]]:
    """Look, label and rows of each line, those of the largest values first."""
    lines = lines_of(own.sort_values(others, ascending=False) if others else own, others)
    for look, (label, rows) in zip(LOOKS * len(lines), lines, strict=False):
        yield look, label, rows


def _mean_and_range(axis: Axes, rows: pd.DataFrame, column: str, **look) -> None:
    if rows.empty or rows[column].isna().all():
        return
    grouped = rows.groupby(ALONG)[column]
    mean = grouped.mean()
    axis.plot(mean.index, mean, **look)
    if (grouped.count() > 1).any():
        axis.fill_between(mean.index, grouped.min(), grouped.max(), color=look["color"], alpha=0.15, linewidth=0)


def _error_bars(axis: Axes, own: pd.DataFrame, others: list[str], metric: str, intervals: pd.DataFrame) -> None:
    """The interval of each row that has one, lines beside one another shifted a little apart."""
    for place, ((colour, _), _, rows) in enumerate(_looks(own, others)):
        rows = rows[rows["row"].isin(intervals.index)]
        if rows.empty:
            continue
        low, high = (intervals.loc[rows["row"], end].to_numpy() for end in ("low", "high"))
        value = rows[metric].to_numpy(dtype=float)
        at = rows[ALONG].to_numpy(dtype=float) * 1.03**place
        axis.errorbar(at, value, [value - low, high - value], fmt="none", color=colour, linewidth=1.2, capsize=3)


def _timestep_axis(axis: Axes, own: pd.DataFrame) -> None:
    steps = sorted(own[ALONG].dropna().unique())
    axis.set_xscale("log", base=2)
    axis.set_xticks(steps, [str(int(step)) for step in steps])
    axis.minorticks_off()
    axis.set_xlabel("time steps T")
