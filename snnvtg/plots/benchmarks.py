"""Figures of the benchmarks: neurons and scans against their rivals and against what the machine allows."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from snnvtg.plots.labels import label_ends
from snnvtg.plots.style import AMBER, BLUE, GREEN, GREY, INDIGO, INK, ORANGE, PURPLE, RED, SKY, style

LIF_SHAPES = ((8, 16, 75, 256), (10, 8, 150, 512), (8, 64, 75, 256), (4, 256, 75, 512))
"""time steps, batch, clips, channels of the report"""
LIF_COLOURS = {
    "fused": BLUE,
    "torch": GREEN,
    "spikingjelly": ORANGE,
    "spikingjelly-cupy": AMBER,
    "snntorch": PURPLE,
    "reference": GREY,
}
SCAN_COLOURS = {
    "cpu": BLUE,
    "mamba-ssm": BLUE,
    "triton": INDIGO,
    "torch": GREEN,
    "numba": SKY,
    "reference": GREY,
    "mambapy": ORANGE,
    "mamba-ssm-reference": INK,
    "transformers-slow": RED,
    "mamba2-form": AMBER,
}
FLOORS = {
    "exponentials_ms": ("--", "the exponentials alone"),
    "library_exponentials_ms": (":", "the same by glibc"),
}
"""how the exponentials alone are drawn, and called"""


def compared_at(table: pd.DataFrame) -> list[tuple[int, ...]]:
    """The shapes of the report that were measured; where none was, all that were."""
    measured = list(dict.fromkeys(table[list("TBLC")].itertuples(index=False, name=None)))
    return [shape for shape in LIF_SHAPES if shape in measured] or measured


def lif_figure(table: pd.DataFrame) -> Figure:
    """Left: time over the bandwidth floor at each shape. Right: nanoseconds per value as T grows."""
    table = table[(table["direction"] == "forward+backward") & (table["case"] == "lif")].copy()
    table["shape"] = list(zip(table["T"], table["B"], table["L"], table["C"], strict=True))
    order, shapes = [b for b in LIF_COLOURS if b in set(table["backend"])], compared_at(table)
    with style():
        figure = Figure(figsize=(12, 1.6 + 0.3 * len(order) * len(shapes)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        _over_floor(left, table, order, shapes)
        grown = table[(table["B"] == 16) & (table["C"] == 256) & (table["L"] == 75)].sort_values("T")
        if grown.empty:
            right.set_axis_off()
            return figure
        _per_value(right, grown, order)
    return figure


def _over_floor(axis: Axes, table: pd.DataFrame, order: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> None:
    height = 0.84 / len(order)
    for i, backend in enumerate(order):
        for line in table[(table["backend"] == backend) & table["shape"].isin(shapes)].itertuples():
            at = shapes.index(line.shape) + (i - (len(order) - 1) / 2) * height
            ms, over = line.median_ms, line.median_ms / line.floor_ms
            axis.barh(at, over, height * 0.9, color=LIF_COLOURS[backend])
            words = f"{backend}, {ms:.1f} ms" if ms < 100 else f"{backend}, {ms:.0f} ms"
            axis.annotate(words, (max(over, 1.0), at), (4, 0), textcoords="offset points", va="center", fontsize=9.5)
    axis.axvline(1, color=INK, linewidth=1.2, linestyle="--")
    axis.set_xscale("log")
    axis.set_xlim(0.8, axis.get_xlim()[1] * 3.2)
    axis.set_yticks(range(len(shapes)), [" × ".join(map(str, shape)) for shape in shapes])
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("time / floor (dashed: 24 bytes per value at copy bandwidth)")
    axis.set_title("Forward + backward, T × batch × clips × channels")


def _per_value(axis: Axes, grown: pd.DataFrame, order: Sequence[str]) -> None:
    ends = []
    for backend in order:
        mine = grown[grown["backend"] == backend]
        if mine.empty:
            continue
        value = mine["median_ms"] * 1e6 / (mine["T"] * mine["B"] * mine["L"] * mine["C"])
        axis.plot(mine["T"], value, "o-", color=LIF_COLOURS[backend])
        ends.append((mine["T"].iloc[-1], value.iloc[-1], backend, LIF_COLOURS[backend]))
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xticks(sorted(set(grown["T"])), sorted(set(grown["T"])))
    axis.set_xlabel("T (batch 16, 75 clips, 256 channels)")
    axis.set_title("Nanoseconds per value and step")
    label_ends(axis, ends)


def scan_figure(table: pd.DataFrame) -> Figure:
    """Time, memory and error of forward and backward against the sequence's length."""
    table = table[table["direction"] == "forward+backward"].sort_values("L")
    panels = [
        ("median_ms", "Time, forward + backward (ms)"),
        ("peak_mb", "Peak memory beyond inputs (MB)"),
        ("max_rel_err", "Largest error, relative to float64"),
    ]
    B, D, N = (int(table[size].iloc[0]) for size in "BDN")
    with style():
        figure = Figure(figsize=(13.5, 5), layout="constrained")
        axes = figure.subplots(1, 3)
        for axis, (column, title) in zip(axes, panels, strict=True):
            _against_length(axis, table, column)
            axis.set_title(title)
        # errors of 1e-7 beside a rival's of 1e-6: the axis starts below single precision's step
        axes[2].set_ylim(1e-8, max(1e-5, axes[2].get_ylim()[1]))
        figure.suptitle(
            f"Selective scan, batch {B}, {D} channels, {N} states, {table['dtype'].iloc[0]}", fontweight="bold"
        )
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _against_length(axis: Axes, table: pd.DataFrame, column: str) -> None:
    for name in (b for b in SCAN_COLOURS if b in set(table["backend"])):
        mine = table[table["backend"] == name]
        # the two loops lie on one another: the lower one is drawn wider
        width = {"cpu": 2.6, "triton": 2.6, "mamba-ssm": 2.6, "mamba-ssm-reference": 4.5}.get(name, 1.6)
        axis.plot(mine["L"], mine[column], "o-", color=SCAN_COLOURS[name], label=name, lw=width, ms=width + 3)
    for floor in table.columns.intersection(list(FLOORS)) if column == "median_ms" else ():
        least = table.groupby("L")[floor].min()
        axis.plot(least.index, least, FLOORS[floor][0], color=INK, linewidth=1.2, label=FLOORS[floor][1])
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(sorted(set(table["L"])), sorted(set(table["L"])))
    axis.minorticks_off()
    axis.set_xlabel("length of the sequence, L")
