"""At which firing rate spiking breaks even, for one layer and for a whole network."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.energy.breakeven import PublishedBreakEven
from snnvtg.plots.energy import step_axis
from snnvtg.plots.labels import label_ends, label_points
from snnvtg.plots.style import DENSE, GREEN, GREY, INK, LOOKS, QUANTISED, SPIKING, style
from snnvtg.plots.text import label

LEAST = 3e-4
RIVALS = {"dense": "its dense twin, 32 bits", "quantised": "its quantised twin, ⌈log2(T + 1)⌉ bits"}


def break_even_figure(network: pd.DataFrame, layer: pd.DataFrame, literature: Sequence[PublishedBreakEven]) -> Figure:
    """Above: break-even rate of one layer against T (columns title, rival, num_timesteps, break_even_rate), a panel for
    each rival, beside published points. Below: the whole network under each price table (a range table).

    A firing rate is at most 1, a spike per step: where the break-even rate lies above, spiking wins at any rate.
    """
    with style():
        figure = Figure(figsize=(11.5, 5.2 + 0.36 * len(network)), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[4.4, 1.3 + 0.36 * len(network)])
        panels = above.subplots(1, 2, sharey=True)
        for axis, rival, words in zip(panels, RIVALS, ("", "above 1: "), strict=True):
            _layer_panel(axis, layer[layer["rival"] == rival], [p for p in literature if p.rival == rival])
            place = (16.5, 1.5)
            axis.annotate(f"{words}wins at any rate", place, fontsize=10, color=GREEN, va="center", ha="right")
            axis.set_title(f"against {RIVALS[rival]}", fontsize=11.5)
        panels[0].set_ylabel("firing rate below\nwhich spiking wins")
        above.suptitle("One fully connected layer, 256 → 256", fontweight="bold")
        _network_panel(below.subplots(), network)
        below.suptitle("The whole network", fontweight="bold")
        figure.draw_without_rendering()
        _name_lines(panels[1], layer[layer["rival"] == "quantised"])
        for axis, rival in zip(panels, RIVALS, strict=True):
            _name_published(axis, [p for p in literature if p.rival == rival])
        figure.set_layout_engine("none")
    return figure


def _layer_panel(axis: Axes, layer: pd.DataFrame, literature: Sequence[PublishedBreakEven]) -> None:
    for (colour, marker), (_, rows) in zip(LOOKS, layer.groupby("title", sort=False), strict=False):
        shown = rows[rows["break_even_rate"] > 0]
        axis.plot(shown["num_timesteps"], shown["break_even_rate"], color=colour, marker=marker, markersize=5)
    for point in literature:
        top = min(point.high, 1.0)
        middle = (point.low * top) ** 0.5
        bars = [[middle - point.low], [top - middle]]
        axis.errorbar(point.num_timesteps, middle, bars, fmt="X", color=INK, capsize=4, markersize=9, zorder=4)
    axis.set_yscale("log")
    axis.set_xscale("log", base=2)
    axis.set_ylim(LEAST, 2.2)
    axis.axhspan(1, 2.2, color=GREEN, alpha=0.14, linewidth=0)
    step_axis(axis, layer["num_timesteps"])


def _name_lines(axis: Axes, layer: pd.DataFrame) -> None:
    """The price tables' names at the right ends of the lines."""
    ends = []
    for (colour, _), (title, part) in zip(LOOKS, layer.groupby("title", sort=False), strict=False):
        shown = part[part["break_even_rate"] > 0].sort_values("num_timesteps")
        if len(shown):
            last = shown.iloc[-1]
            ends.append((last["num_timesteps"], min(last["break_even_rate"], 1.0), label(title), colour))
    label_ends(axis, ends)


def _name_published(axis: Axes, literature: Sequence[PublishedBreakEven]) -> None:
    """Who published a point, where it hides no line."""
    texts = [
        f"published: {p.source.split(',')[0]}" + (f",\nup to {p.high:g}" if p.high > 1 else "") for p in literature
    ]
    points = [(p.num_timesteps, p.low) for p in literature]
    lines = [
        list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in axis.lines if len(line.get_xdata()) > 1
    ]
    label_points(axis, points, texts, [INK] * len(points), lines)


def _network_panel(axis: Axes, network: pd.DataFrame) -> None:
    low, fired = 1e-3, network["firing_rate"].iloc[0]
    for place, row in network.iterrows():
        if row["break_even_rate"] == 0 and row["break_even_quantised_rate"] == 0:
            _say(axis, low, place, "dearer than both twins, even in silence", GREY)
            continue
        _one_rate(axis, low, place + 0.2, row["break_even_rate"], "dense", DENSE)
        _one_rate(axis, low, place - 0.2, row["break_even_quantised_rate"], "quantised", QUANTISED)
    axis.axvline(fired, color=SPIKING, linewidth=1.8)
    axis.annotate(
        f"{fired:.1%} fire in this network", (fired, len(network) - 0.35), (5, 0), textcoords="offset points",
        color=SPIKING, fontsize=10.5, va="center",
    )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlim(low, 1)
    axis.set_ylim(-0.7, len(network) + 0.1)
    axis.set_yticks(range(len(network)), network["title"].map(label))
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("firing rate (spikes per neuron and step)")


def _one_rate(axis: Axes, low: float, place: float, rate: float, rival: str, colour: str) -> None:
    if rate == 0:
        _say(axis, low, place, f"dearer than the {rival} twin, even in silence", GREY)
        return
    axis.hlines(place, low, min(rate, 1), color=colour, alpha=0.3, linewidth=9)
    if rate > 1:
        _say(axis, low, place, f"cheaper than the {rival} twin at any rate", INK)
        return
    axis.plot(rate, place, marker="|", markersize=11, markeredgewidth=3, color=colour)
    _say(axis, low, place, f"cheaper than the {rival} twin below {rate:.1%}", INK)


def _say(axis: Axes, low: float, place: float, words: str, colour: str) -> None:
    axis.annotate(words, (low * 1.08, place), fontsize=9.5, color=colour, va="center")
