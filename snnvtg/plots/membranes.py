"""The picture neuromorphic readers expect: membrane with its threshold, raster, population rate, layer by layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import BLUE, GREEN, GREY, INK, ORANGE, style
from snnvtg.plots.text import label, titled

COLUMNS = 2


@dataclass(frozen=True)
class LayerTrace:
    """Spikes (T, L, C) in {0, 1} and potentials U (T, L, C) before the reset of one layer, and where it fires."""

    spikes: np.ndarray
    potential: np.ndarray
    v_threshold: float


def membrane_figure(
    layers: Mapping[str, LayerTrace],
    *,
    clip_length: float,
    truth: Sequence[tuple[float, float]],
    predicted: Sequence[Sequence[float]],
    title: str,
) -> Figure:
    """Three panels for each layer over the length of the video; the T steps of a clip run from left to right in it.

    The membrane is that of the neuron whose rate is nearest to the layer's mean among those that are neither silent nor
    always firing. Green: the true windows, in seconds; the orange bar above: the best prediction; θ: the threshold.
    """
    rows = -(-len(layers) // COLUMNS)
    columns = min(COLUMNS, len(layers))
    with style():
        figure = Figure(figsize=(7.4 * columns, 5.6 * rows + 0.8), layout="constrained")
        parts = figure.subfigures(rows, columns, squeeze=False).flat
        for part, (name, layer) in zip(parts, layers.items(), strict=False):
            membrane, raster, rate = part.subplots(3, 1, sharex=True, height_ratios=[1.1, 1.6, 0.8])
            _membrane(membrane, layer, clip_length, label(name))
            _raster(raster, layer.spikes, clip_length)
            _population(rate, layer.spikes, clip_length)
            for axis in (membrane, raster, rate):
                for start, end in truth:
                    axis.axvspan(start, end, color=GREEN, alpha=0.13, linewidth=0)
            for start, end, *_ in predicted[:1]:
                place = {"ymin": 1.0, "ymax": 1.045, "clip_on": False}
                membrane.axvspan(start, end, color=ORANGE, linewidth=0, **place)
            rate.set_xlim(0, layer.spikes.shape[1] * clip_length)
            rate.set_xlabel("video time (s)")
        titled(figure, title)
    return figure


def typical_neuron(spikes: np.ndarray) -> int:
    """The neuron whose rate is nearest to the mean of those that are neither silent nor always firing."""
    rate = spikes.mean((0, 1))
    lively = (rate > 0) & (rate < 1)
    if not lively.any():
        return 0
    return int(np.argmin(np.where(lively, abs(rate - rate[lively].mean()), np.inf)))


def moments(spikes: np.ndarray, clip_length: float) -> np.ndarray:
    """(L, T) video time in seconds at which each step of each clip is drawn."""
    steps, clips = spikes.shape[:2]
    return (np.arange(clips)[:, None] + (np.arange(steps) + 0.5) / steps) * clip_length


def _membrane(axis: Axes, layer: LayerTrace, clip_length: float, name: str) -> None:
    neuron = typical_neuron(layer.spikes)
    at = moments(layer.spikes, clip_length)
    potential, fired = (values[:, :, neuron].T for values in (layer.potential, layer.spikes != 0))  # (L, T)
    # the state starts anew in every clip: no line from one to the next
    gaps = np.full((len(at), 1), np.nan)
    axis.plot(np.hstack([at, gaps]).ravel(), np.hstack([potential, gaps]).ravel(), color=BLUE, linewidth=1.2)
    axis.plot(at[fired], potential[fired], "o", color=ORANGE, markersize=3)
    axis.axhline(layer.v_threshold, color=INK, linestyle="--", linewidth=1)
    place = {"transform": axis.get_yaxis_transform(), "fontsize": 10.5, "va": "center"}
    axis.text(1.008, layer.v_threshold, f"θ = {layer.v_threshold:g}", **place)
    axis.set_ylabel(f"U of\nneuron {neuron + 1}")
    axis.set_title(f"{name}: {100 * layer.spikes.mean():.1f} % fire per step, T = {len(layer.spikes)}", pad=12)


def _raster(axis: Axes, spikes: np.ndarray, clip_length: float) -> None:
    step, clip, neuron = np.nonzero(spikes)
    at = moments(spikes, clip_length)[clip, step]
    axis.scatter(at, neuron + 1, s=7, marker="|", color=ORANGE, linewidth=0.9, rasterized=True)
    axis.set_ylim(0, spikes.shape[2] + 1)
    axis.set_ylabel("neuron")
    axis.grid(False)


def _population(axis: Axes, spikes: np.ndarray, clip_length: float) -> None:
    rate = 100 * spikes.mean((0, 2))  # (L,)
    edges = np.arange(len(rate) + 1) * clip_length
    axis.stairs(rate, edges, color=GREY, fill=True, alpha=0.75)
    axis.set_ylim(0, max(1.15 * rate.max(), 1))
    axis.set_ylabel("rate (%)")
