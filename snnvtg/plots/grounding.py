"""One query's answer: windows and saliency over the video, with the spikes behind them beneath."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from snnvtg.plots.raster import raster_panel, saliency_panel
from snnvtg.plots.style import ORANGE, style
from snnvtg.plots.text import titled

DRAWN = 20
"""windows in the picture"""


def grounding_figure(
    layers: Mapping[str, np.ndarray],
    *,
    num_clips: int,
    clip_length: float,
    windows: Sequence[tuple[float, float, float]],
    saliency: Sequence[float],
    title: str,
) -> Figure:
    """Saliency with the windows beneath its curve, then one raster per layer; the best window shades every panel.

    layers: name → spikes (T, L, C) in {0, 1}, empty for a model without spikes. windows: (start s, end s, score), best
    first, of which the best DRAWN are shown. saliency: one score per clip, or none.
    """
    windows = windows[:DRAWN]
    with style():
        heights = [1.5, 0.5 + 0.22 * len(windows)] + [2.0] * len(layers)
        figure = Figure(figsize=(12, 1.15 * sum(heights) + 0.6), layout="constrained")
        curve, bars, *rasters = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        saliency_panel(curve, saliency, clip_length)
        if not saliency:
            curve.set_title("saliency: the model gives none")
        for row, (start, end, _) in enumerate(windows):
            bars.broken_barh([(start, end - start)], (row - 0.35, 0.7), color=ORANGE, alpha=1.0 if row == 0 else 0.45)
        bars.set_yticks(range(len(windows)), [f"{score:.2f}" for _, _, score in windows])
        bars.set_ylim(len(windows) - 0.4, -0.6)
        bars.grid(axis="y", visible=False)
        bars.set_title("windows and their scores, best first")
        for axis, (name, spikes) in zip(rasters, layers.items(), strict=True):
            raster_panel(axis, spikes, clip_length, name)
        for axis in (curve, *rasters):
            axis.axvspan(*windows[0][:2], color=ORANGE, alpha=0.13, linewidth=0)
        last = rasters[-1] if rasters else bars
        last.set_xlim(0, num_clips * clip_length)
        last.set_xlabel("video time (s)")
        titled(figure, title)
    return figure
