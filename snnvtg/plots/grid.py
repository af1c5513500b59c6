"""A grid of settings as a figure: lines over the first axis, one for each combination of the others."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import LOOKS, style
from snnvtg.plots.text import label, titled

WORDS = {"num_timesteps": "time steps T"}
"""what a column is called on a figure, where its name would not do"""


def grid_figure(table: pd.DataFrame, axes: Sequence[str], metrics: Sequence[str], title: str) -> Figure:
    """Accuracy and energy against the first axis of a grid, a line for each combination of the others.

    `table` has a row per model and seed, `axes` and `metrics` name columns of it; lines are means over seeds, error
    bars their standard deviation; lines beside one another are shifted a little apart.
    """
    along, others = axes[0], list(axes[1:])
    panels = [(metric, f"{metric} (%)", 1.0) for metric in metrics]
    panels.append(("energy_pj", "Energy (µJ, estimate: 45 nm fp32)", 1e-6))
    with style():
        figure = Figure(figsize=(3.5 + 3.2 * len(panels), 4.7), layout="constrained")
        for number, (axis, (column, name, scale)) in enumerate(
            zip(figure.subplots(1, len(panels)), panels, strict=True)
        ):
            lines = lines_of(table, others)
            for place, (look, (label, part)) in enumerate(zip(LOOKS * len(lines), lines, strict=False)):
                _line(axis, part.assign(value=scale * part[column]), along, look, label, place)
            axis_of(axis, table[along], along)
            axis.set_title(name)
            if number == len(panels) - 1:
                axis.set_ylim(0, 1.1 * scale * table[column].max())
        if others:
            figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        titled(figure, title)
    return figure


def lines_of(table: pd.DataFrame, others: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """(label, rows) of each combination of the columns `others`, in the order of the table."""
    if not others:
        return [("", table)]
    groups = table.groupby(list(others), sort=False)
    return [(", ".join(map(_words, others, values)), part) for values, part in groups]


def axis_of(axis: Axes, values: pd.Series, column: str) -> None:
    """Label the horizontal axis; on a logarithmic scale where values are doubled from one to the next."""
    axis.set_xlabel(WORDS.get(column, column))
    if not pd.api.types.is_numeric_dtype(values):
        return
    steps = sorted(values.dropna().unique())
    if _doubled(steps):
        axis.set_xscale("log", base=2)
    axis.set_xticks(steps, [f"{step:g}" for step in steps])
    axis.minorticks_off()


def _doubled(steps: Sequence[float]) -> bool:
    return steps[0] > 0 and steps[-1] >= 4 * steps[0]


def _beside(steps: pd.Index, place: int) -> pd.Index:
    """Where the `place`-th line has its points: lines beside one another are shifted a little apart."""
    if not pd.api.types.is_numeric_dtype(steps) or pd.api.types.is_bool_dtype(steps):
        return steps
    return steps * 1.035**place if _doubled(sorted(steps)) else steps + 0.012 * place * (steps.max() - steps.min())


def _words(column: str, value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return label(f"{WORDS.get(column, column)} = {value}")


def _line(axis: Axes, part: pd.DataFrame, along: str, look: tuple[str, str], label: str, place: int) -> None:
    colour, marker = look
    grouped = part.groupby(along)["value"]
    mean, spread = grouped.mean(), grouped.std()
    at = _beside(mean.index, place)
    axis.plot(at, mean, color=colour, marker=marker, label=label)
    if spread.notna().any():
        axis.errorbar(at, mean, spread, fmt="none", color=colour, linewidth=1.3, capsize=3)
