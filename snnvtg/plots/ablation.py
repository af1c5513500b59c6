"""Ablations as figures: differences from a reference with their intervals, and lines over a grid of settings."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED, style

WORDS = {"model.num_timesteps": "time steps T", "model.num_slots": "relevant slots"}
LOOKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D"), (RED, "v"))


def difference_figure(differences: pd.DataFrame, energy: pd.Series, reference: str, title: str) -> Figure:
    """A row's difference from the reference and its 95 % interval, a panel for each metric, and what it costs.

    `differences` has columns row, metric, difference, low, high, differs, p_holm, in percentage points; `energy` µJ
    per query of each row and of the reference.
    """
    metrics = list(dict.fromkeys(differences["metric"]))
    rows = list(dict.fromkeys(differences["row"]))
    with style():
        figure = Figure(figsize=(5.2 + 3.4 * len(metrics), 1.9 + 0.34 * len(rows)), layout="constrained")
        widths = [*[1.0] * len(metrics), 0.7]
        axes = figure.subplots(1, len(widths), sharey=True, width_ratios=widths)
        for axis, metric in zip(axes, metrics, strict=False):
            _forest(axis, differences[differences["metric"] == metric].set_index("row").loc[rows])
            axis.set_title(f"{metric} (points)")
        _costs(axes[-1], energy.loc[rows], energy.loc[reference])
        axes[0].set_yticks(range(len(rows)), rows)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        figure.suptitle(title, fontweight="bold")
        ringed = "" if differences["p_holm"].isna().all() else ", ringed: also after Holm's correction"
        reading = f"difference from {reference}, 95 % interval, paired over queries; filled: it excludes 0{ringed}"
        figure.supxlabel(reading, fontsize=9, color=GREY)
    return figure


def _forest(axis: Axes, lines: pd.DataFrame) -> None:
    axis.axvline(0, color=INK, linewidth=1)
    for place, (_, line) in enumerate(lines.iterrows()):
        colour = (RED if line["difference"] < 0 else GREEN) if line["differs"] else GREY
        axis.plot([line["low"], line["high"]], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
        face = colour if line["differs"] else "white"
        axis.plot(line["difference"], place, "o", color=colour, markerfacecolor=face, markersize=7)
        if line["differs"] and line["p_holm"] < 0.05:
            axis.plot(line["difference"], place, "o", color=colour, markerfacecolor="none", markersize=12)
    axis.grid(axis="y", visible=False)


def _costs(axis: Axes, energy: pd.Series, reference: float) -> None:
    axis.axvline(reference, color=INK, linewidth=1)
    axis.barh(range(len(energy)), energy, color=BLUE, alpha=0.75, height=0.55)
    axis.grid(axis="y", visible=False)
    axis.set_title("Energy (µJ, 45 nm fp32 est.)")


def grid_figure(table: pd.DataFrame, axes: Sequence[str], title: str) -> Figure:
    """Accuracy and energy against the first axis of a grid, a line for each combination of the others.

    `table` has a row per model and seed; dots are seeds, lines their means, bands reach from the lowest to the highest.
    """
    along, others = axes[0], list(axes[1:])
    panels = (("mIoU", "mIoU (%)", 1.0), ("R1@0.5", "R1@0.5 (%)", 1.0),
              ("energy_pj", "Energy a query (µJ, 45 nm fp32 estimate)", 1e-6))  # fmt: skip
    with style():
        figure = Figure(figsize=(12.5, 4.4), layout="constrained")
        for number, (axis, (column, name, scale)) in enumerate(
            zip(figure.subplots(1, len(panels)), panels, strict=True)
        ):
            for look, (label, part) in zip(LOOKS * len(table), _lines(table, others), strict=False):
                _line(axis, part.assign(value=scale * part[column]), along, look, label)
            _ticks(axis, table[along], WORDS.get(along, along))
            axis.set_title(name)
            if number == len(panels) - 1:
                axis.set_ylim(0, 1.1 * scale * table[column].max())
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.suptitle(title, fontweight="bold")
    return figure


def _lines(table: pd.DataFrame, others: list[str]) -> list[tuple[str, pd.DataFrame]]:
    if not others:
        return [("", table)]
    # as declared: the first row's combination comes first
    groups = table.groupby(others, sort=False)
    named = []
    for values, part in groups:
        words = [_words(key, value) for key, value in zip(others, values, strict=True)]
        named.append((", ".join(words), part))
    return sorted(named, key=lambda pair: pair[0].startswith("without"))


def _words(key: str, value) -> str:
    name = WORDS.get(key, key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if key == "model.num_slots":
        return f"without {name}" if value == 0 else f"{value} {name}"
    return f"{name} = {value}"


def _line(axis: Axes, part: pd.DataFrame, along: str, look: tuple[str, str], label: str) -> None:
    colour, marker = look
    grouped = part.groupby(along)["value"]
    mean = grouped.mean()
    axis.plot(mean.index, mean, color=colour, marker=marker, label=label)
    if (grouped.count() > 1).any():
        axis.fill_between(mean.index, grouped.min(), grouped.max(), color=colour, alpha=0.15, linewidth=0)
        axis.scatter(part[along], part["value"], color=colour, marker=marker, s=14, alpha=0.4)


def _ticks(axis: Axes, values: pd.Series, name: str) -> None:
    axis.set_xlabel(name)
    if pd.api.types.is_numeric_dtype(values) and (values > 0).all():
        axis.set_xscale("log", base=2)
        steps = sorted(values.unique())
        axis.set_xticks(steps, [f"{step:g}" for step in steps])
        axis.minorticks_off()
