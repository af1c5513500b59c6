"""Figures of what grows with a collection of videos: the search of a store, and training on packed features."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import BLUE, LOOKS, ORANGE, style


def retrieval_figure(table: pd.DataFrame) -> Figure:
    """Time per query, memory and recall of each way of searching against the number of videos."""
    table = table.assign(searching_mb=table["memory_mb"] - table["base_mb"])
    if "probes" not in table:
        table = table.assign(probes=float("nan"))
    panels = [
        ("query_ms", "Time per query (ms)", "log"),
        ("searching_mb", "Memory beside the mapped store (MB)", "linear"),
        ("recall@10", "Share of the ten best found", "linear"),
    ]
    with style():
        figure = Figure(figsize=(13.5, 4.6), layout="constrained")
        axes = figure.subplots(1, 3)
        ways = table.assign(probes=table["probes"].fillna(0)).groupby(["method", "probes"])
        for (colour, marker), ((method, probes), part) in zip(LOOKS, ways, strict=False):
            label = method if method == "exact" else f"{method}, {probes:g} lists"
            for axis, (column, title, scale) in zip(axes, panels, strict=True):
                axis.plot(part["videos"], part[column], marker=marker, color=colour, label=label)
                axis.set_yscale(scale)
                axis.set_title(title)
        axes[1].set_ylim(0)
        for axis in axes:
            _against_videos(axis, table)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def large_data_figure(table: pd.DataFrame) -> Figure:
    """Memory, seconds to start and the share of time that training waits, against the number of videos."""
    table = table[table["features"] == "packed"]
    with style():
        figure = Figure(figsize=(13.5, 4.6), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        own = table[table["loaders"] == 0]
        left.plot(own["videos"], own["memory_mb"], "o-", color=BLUE, label="training process")
        with_loaders = table[table["loaders"] > 0]
        left.plot(with_loaders["videos"], with_loaders["loader_mb"], "s", color=ORANGE, label="one loader process")
        left.set_ylim(0)
        left.set_title("Memory that no file backs (MB)")
        left.legend()
        middle.plot(own["videos"], own["load_s"], "o-", color=BLUE)
        middle.set_yscale("log")
        middle.set_title("Seconds to open the data")
        for (colour, marker), (loaders, part) in zip(LOOKS, table.groupby("loaders"), strict=False):
            right.plot(part["videos"], 100 * part["waiting"], marker=marker, color=colour, label=f"{loaders} loaders")
        right.set_ylim(0)
        right.set_title("Share of the time that training waits (%)")
        right.legend()
        for axis in (left, middle, right):
            _against_videos(axis, table)
    return figure


def _against_videos(axis: Axes, table: pd.DataFrame) -> None:
    axis.set_xscale("log")
    axis.set_xlabel("videos")
    axis.set_xlim(table["videos"].min() / 1.5, table["videos"].max() * 1.5)
