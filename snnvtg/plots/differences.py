"""An ablation as a figure: differences from a reference with their intervals."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import GREEN, GREY, INK, ORANGE, style
from snnvtg.plots.text import families, label, readable, titled


def difference_figure(differences: pd.DataFrame, energy: pd.Series, reference: str, title: str) -> Figure:
    """A row's difference from the reference and its 95 % interval, a panel for each metric, and what it costs.

    `differences` has columns row, metric, difference, low, high, differs, p_holm, in percentage points; `energy` µJ
    per query of each row and of the reference.
    """
    metrics = list(dict.fromkeys(differences["metric"]))
    rows = list(dict.fromkeys(differences["row"]))
    with style():
        figure = Figure(figsize=(5.6 + 3.6 * len(metrics), 2.1 + 0.42 * len(rows)), layout="constrained")
        widths = [*[1.0] * len(metrics), 0.7]
        axes = figure.subplots(1, len(widths), sharey=True, width_ratios=widths)
        for axis, metric in zip(axes, metrics, strict=False):
            _forest(axis, differences[differences["metric"] == metric].set_index("row").loc[rows])
            axis.set_title(f"{metric} (points)")
        _costs(axes[-1], energy.loc[rows], energy.loc[reference])
        axes[0].set_yticks(range(len(rows)), map(label, map(readable, rows)), fontfamily=families("".join(rows)))
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        titled(figure, title)
        ringed = "" if differences["p_holm"].isna().all() else ", ringed: also after Holm's correction"
        reading = (
            f"difference from {label(reference)}, 95 % interval, paired over queries; filled: it excludes 0{ringed}"
        )
        figure.supxlabel(reading, fontsize=10.5, color=GREY)
    return figure


def _forest(axis: Axes, lines: pd.DataFrame) -> None:
    axis.axvline(0, color=INK, linewidth=1)
    for place, (_, line) in enumerate(lines.iterrows()):
        colour = (ORANGE if line["difference"] < 0 else GREEN) if line["differs"] else GREY
        axis.plot([line["low"], line["high"]], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
        face = colour if line["differs"] else "white"
        axis.plot(line["difference"], place, "o", color=colour, markerfacecolor=face, markersize=7)
        if line["differs"] and line["p_holm"] < 0.05:
            axis.plot(line["difference"], place, "o", color=colour, markerfacecolor="none", markersize=12)
    axis.grid(axis="y", visible=False)


def _costs(axis: Axes, energy: pd.Series, reference: float) -> None:
    axis.axvline(reference, color=INK, linewidth=1)
    axis.barh(range(len(energy)), energy, color=GREY, alpha=0.75, height=0.55)
    axis.grid(axis="y", visible=False)
    axis.set_xlim(0, 1.05 * max(reference, energy.max()))
    axis.set_title("Energy per query (µJ)")
    axis.set_xlabel("estimate: 45 nm fp32 prices\n(line: the reference)", fontsize=10.5)
