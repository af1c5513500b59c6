"""Accuracy against the strength of salient distractors, with and without the spiking detector."""

import pandas as pd
from matplotlib.figure import Figure

from snnvtg.plots.style import BLUE, ORANGE, style

LOOK = {"spikemba": (BLUE, "o", "SpikeMba"), "without-ssd": (ORANGE, "s", "without the spiking detector")}


def distractor_figure(table: pd.DataFrame) -> Figure:
    """Two panels, R1@0.5 and mIoU; lines are means over seeds, each seed a faint dot."""
    with style():
        figure = Figure(figsize=(9.5, 4), layout="constrained")
        for axis, metric in zip(figure.subplots(1, 2), ("R1@0.5", "mIoU"), strict=True):
            for model, (colour, marker, label) in LOOK.items():
                rows = table[table["model"] == model]
                mean = rows.groupby("distractor_strength")[metric].mean()
                axis.plot(mean.index, mean, color=colour, marker=marker, label=label)
                axis.scatter(rows["distractor_strength"], rows[metric], color=colour, marker=marker, s=14, alpha=0.35)
            axis.axvline(3**0.5, color="0.6", linestyle=":", linewidth=1.2)
            at_the_foot = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axis.annotate("an event's norm", (3**0.5, 0.03), (4, 0), **at_the_foot, fontsize=8, color="0.4")
            axis.set_xlabel("norm of the distractors' features")
            axis.set_title(f"{metric} (%)")
        figure.axes[0].legend(fontsize=9)
        seeds = table["seed"].nunique()
        figure.suptitle(f"Salient distractors on synthetic data, test split, {seeds} seeds", fontweight="bold")
    return figure
