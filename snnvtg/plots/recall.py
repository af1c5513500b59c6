"""Differences of recall against how exact a window has to be."""

import pandas as pd
from matplotlib.figure import Figure

from snnvtg.plots.style import GREY, INK, LOOKS, style
from snnvtg.plots.text import label, titled


def recall_figure(differences: pd.DataFrame, reference: str, title: str) -> Figure:
    """A panel for each row: R1@t minus that of `reference`, in points, against t, with its 95 % interval.

    `differences` as `sweeps.recall.recall_differences` makes it. A filled point's interval excludes 0.
    """
    differences = differences.dropna(subset="threshold")
    rows = list(dict.fromkeys(differences["row"]))
    with style():
        figure = Figure(figsize=(2.2 + 3.4 * len(rows), 4.0), layout="constrained")
        axes = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
        for axis, row, (colour, _) in zip(axes, rows, [*LOOKS] * len(rows), strict=False):
            own = differences[differences["row"] == row]
            axis.axhline(0, color=INK, linewidth=1)
            axis.fill_between(own["threshold"], own["low"], own["high"], color=colour, alpha=0.2, linewidth=0)
            axis.plot(own["threshold"], own["difference"], color=colour)
            for differs, face in ((True, colour), (False, "white")):
                some = own[own["differs"] == differs]
                axis.plot(some["threshold"], some["difference"], "o", color=colour, markerfacecolor=face)
            axis.set_title(label(row))
            axis.set_xlabel("IoU asked for, t")
        axes[0].set_ylabel(f"R1@t, points from {label(reference)}")
        titled(figure, title)
        reading = "95 % interval, paired over queries; filled: it excludes 0 (no correction for the number of points)"
        figure.supxlabel(reading, fontsize=10.5, color=GREY)
    return figure
