"""Spike rasters of the saliency detector next to the windows they should find."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import BLUE, GREEN, GREY, INK, ORANGE, style
from snnvtg.plots.text import label, titled


def raster_figure(
    layers: Mapping[str, np.ndarray],
    *,
    clip_length: float,
    truth: Sequence[tuple[float, float]],
    predicted: Sequence[tuple[float, ...]],
    proposals: Sequence[Sequence[tuple[int, int]]],
    saliency: Sequence[float],
    title: str,
) -> Figure:
    """One raster per layer over the length of the video, with truth, prediction and proposal set beneath.

    layers: name → spikes (T, L, C) in {0, 1}. A row of a raster is a neuron; within a clip the T steps run from left
    to right. truth and predicted in seconds; proposals[k − 1]: runs [first, end) of clips at level k.
    """
    with style():
        heights = [2.0] * len(layers) + [0.9, 1.3]
        figure = Figure(figsize=(12, 1.15 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        for axis, (name, spikes) in zip(axes, layers.items(), strict=False):
            raster_panel(axis, spikes, clip_length, name)
            for start, end in truth:
                axis.axvspan(start, end, color=GREEN, alpha=0.12, linewidth=0)
        saliency_panel(axes[-2], saliency, clip_length)
        windows_panel(axes[-1], truth, predicted, proposals, clip_length)
        axes[-1].set_xlabel("video time (s)")
        titled(figure, title)
    return figure


def raster_panel(axis: Axes, spikes: np.ndarray, clip_length: float, name: str) -> None:
    """Spikes (T, L, C) as dots: neuron against video time, the T steps spread over the clip."""
    steps = len(spikes)
    step, clip, neuron = np.nonzero(spikes)
    axis.scatter((clip + (step + 0.5) / steps) * clip_length, neuron, s=1.2, marker="|", color=INK, linewidth=0.6)
    axis.set_ylabel("neuron")
    axis.set_ylim(-1, spikes.shape[2])
    axis.set_xlim(0, spikes.shape[1] * clip_length)
    axis.set_title(f"{label(name)}: {100 * spikes.mean():.1f}% of neurons fire per step, T = {steps}")
    axis.grid(False)


def saliency_panel(axis: Axes, saliency: Sequence[float], clip_length: float) -> None:
    """The saliency curve s_i."""
    axis.plot((np.arange(len(saliency)) + 0.5) * clip_length, saliency, color=BLUE)
    axis.set_title("saliency")


def windows_panel(
    axis: Axes,
    truth: Sequence[tuple[float, float]],
    predicted: Sequence[tuple[float, ...]],
    proposals: Sequence[Sequence[tuple[int, int]]],
    clip_length: float,
) -> None:
    """Truth, best prediction and the proposal set, one bar each; deeper levels of the set are darker."""
    bars = [("true window", GREEN, [(start, end) for start, end in truth])]
    bars.append(("predicted", ORANGE, [(window[0], window[1]) for window in predicted[:1]]))
    for row, (_, colour, windows) in enumerate(bars):
        axis.broken_barh([(start, end - start) for start, end in windows], (row - 0.35, 0.7), color=colour)
    for level, runs in enumerate(proposals, 1):
        pieces = [(first * clip_length, (end - first) * clip_length) for first, end in runs]
        axis.broken_barh(pieces, (1.65, 0.7), color=GREY, alpha=0.15 + 0.6 * level / len(proposals))
    axis.set_yticks(range(3), [bars[0][0], bars[1][0], "proposal set"])
    axis.set_ylim(2.6, -0.6)
    axis.grid(axis="y", visible=False)
