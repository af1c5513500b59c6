"""A sweep as Markdown, LaTeX and a figure, from its files alone: nothing here trains or measures a model."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from snnvtg.errors import InputError
from snnvtg.markup import latex_table, markdown_table
from snnvtg.plots.differences import difference_figure
from snnvtg.plots.grid import grid_figure
from snnvtg.reporting import save_both, write_text
from snnvtg.sweeps.comparison import FIRM_SEEDS, SweepResults, differences, read_results
from snnvtg.sweeps.results import SweepTable
from snnvtg.terminal import table_text

CONTROLS_IN_WORDS = (
    "What each model answers where something is withheld from it: what it still gets right with the queries shuffled, "
    "it gets right without reading; with another video in place of its own, without looking; with its spikes permuted "
    "over the clips, without regard to where they are. A model without neurons has no spikes to change: it answers as "
    "it is."
)
NOTHING = "–"
FALSE_ALARMS = {2: (7, 16), 3: (6, 10), 4: (3, 7)}
"""Percent of 95 % intervals that exclude 0 where settings do not differ, by seeds of each side: seeds scattering by 1
and by 3 points. Simulated, 400 draws each, 200 queries of 100 videos; an overlap scatters by 6 points between seeds and
the difference of a video by 4 (where overlaps scatter by 20 points, 3 seeds have 1 and 6 %)"""


def render(path: Path, reference: str | None = None) -> str:
    """Write NAME.md, NAME.tex and NAME.png beside the table NAME.csv; returns what to tell the user.

    `reference` as in `read_results`.
    """
    results = read_results(path, reference)
    found = differences(results)
    cells = cell_table(results, found)
    figure = figure_of(results, found)
    if figure is not None:
        save_both(figure, path.with_suffix(".png"))
    write_text(markdown(results, cells, found, path.stem if figure is not None else None), path.with_suffix(".md"))
    write_text(latex(results, cells, found, path.stem), path.with_suffix(".tex"))
    shown = cells.drop(columns=[name for name in cells if name.endswith(")") and "published" in name])
    words = f"{verdict(results, found)}\nwrote {path} and the files beside it\n"
    return f"{results.title}\n{table_text(shown)}\n{words}"


def failures_in_words(tables: Sequence[SweepTable]) -> None:
    """Raise InputError where rows have no figures, naming each with its reason."""
    failures = {f"{t.table.path.stem}: {row}": reason for t in tables for row, reason in t.failures.items()}
    if failures:
        reasons = "; ".join(f"{row}: {reason}" for row, reason in failures.items())
        raise InputError(f"{len(failures)} rows have no figures, all others are written. {reasons}")


def figure_of(results: SweepResults, found: pd.DataFrame):
    """The figure that fits: lines over a grid, differences with intervals otherwise; None where there is neither."""
    axes = results.axes
    if axes and results.rows:
        own = pd.concat([results.of(row) for row in results.rows])
        return grid_figure(own, axes, results.evaluation.compared, results.title)
    if found.empty:
        return None
    energy = results.table.groupby("row")["energy_pj"].mean() / 1e6
    return difference_figure(found, energy, results.declaration["reference"], results.title)


def cell_table(results: SweepResults, found: pd.DataFrame) -> pd.DataFrame:
    """The table as text: mean ± standard deviation over seeds, differences, cost, and the paper's own columns."""
    rows = [row for row in [*results.rows, *results.untrained] if len(results.of(row))]
    return pd.DataFrame([_cells(results, found, row) for row in rows])


def _cells(results: SweepResults, found: pd.DataFrame, row: str) -> dict[str, str]:
    own = results.of(row)
    reference = results.declaration["reference"]
    cells = {"row": row, "seeds": str(own["seed"].notna().sum() or NOTHING)}
    cells |= {metric: spread(own[metric], "{:.1f}") for metric in results.evaluation.shown}
    for metric in results.evaluation.compared if reference else ():
        cells[f"Δ {metric}"] = _difference(results, found, row, metric)
    cells["firing rate"] = spread(own["firing_rate"], "{:.3f}")
    cells["energy per query, µJ"] = spread(own["energy_pj"] / 1e6, "{:.1f}")
    cells["parameters"] = NOTHING if own["parameters"].isna().all() else f"{int(own['parameters'].iloc[0]):,}"
    if results.published:
        values = results.published["rows"].get(row)
        for place, name in enumerate(results.published["columns"]):
            value = NOTHING if values is None else f"{values[place]:.2f}"
            cells[f"{name}, published ({results.published['short']})"] = value
    return cells


def spread(values: pd.Series, form: str) -> str:
    """Mean ± standard deviation of the values that are there, as text."""
    values = values.dropna().astype(float)
    if values.empty:
        return NOTHING
    mean = form.format(values.mean())
    return mean if len(values) == 1 else f"{mean} ± {form.format(values.std())}"


def _difference(results: SweepResults, found: pd.DataFrame, row: str, metric: str) -> str:
    if row in results.untrained:
        return NOTHING
    if results.same_as_reference(row):
        return "0, the same model" if row != results.declaration["reference"] else NOTHING
    lines = found[(found["row"] == row) & (found["metric"] == metric)]
    if lines.empty:  # the reference has no figures
        return NOTHING
    line = lines.iloc[0]
    mark = ("**" if line["p_holm"] < 0.05 else "*") if line["differs"] else ""
    return f"{line['difference']:+.1f} [{line['low']:+.1f}, {line['high']:+.1f}]".replace("-", "−") + mark


def verdict(results: SweepResults, found: pd.DataFrame) -> str:
    """In words: which rows differ from the reference and which do not."""
    reference = results.declaration["reference"]
    if reference and reference not in results.rows:
        return f"no comparison: reference {reference} has no figures"
    sentences = []
    for metric, part in found.groupby("metric", sort=False):
        differ, alike = part[part["differs"]], part[~part["differs"]]
        firm = differ[differ["p_holm"] < 0.05]["row"].tolist()
        words = []
        if differ.empty:
            words.append("no row's 95 % interval excludes 0")
        else:
            words.append(f"the 95 % interval excludes 0 for {', '.join(differ['row'])}")
            corrected = part["p_holm"].notna().sum()
            if corrected:
                words.append(f"after Holm's correction for {corrected} rows still for {', '.join(firm) or 'none'}")
        if len(alike):
            words.append(f"not told apart from it: {', '.join(alike['row'])}")
        single = part[part["seeds"] == 1]["row"].tolist()
        if single:
            which = "" if len(single) == len(part) else f"{', '.join(single)}: "
            words.append(f"{which}from one seed, which says nothing about training noise")
        sentences.append(f"{metric} against {reference}: {'; '.join(words)}.")
    return "\n".join(sentences)


def caption(results: SweepResults, found: pd.DataFrame) -> list[str]:
    """What a reader needs to know to read the table."""
    lines = [
        "Mean ± standard deviation over seeds; energy and firing rate (spikes per neuron and step) of the mean query, "
        "energy an estimate for 45 nm fp32 arithmetic, not a measurement."
    ]
    if results.provenance.get("changed"):
        lines.append(f"{results.provenance['changed']}.")
    if len(found):
        seeds, firm = found["seeds"].min(), found["p_holm"].notna()
        lines.append(
            f"Δ: difference from {results.declaration['reference']} in percentage points with its 95 % interval, "
            "paired over queries, whole videos and both rows' seeds resampled. * the interval excludes 0."
        )
        if firm.any():
            few = "" if firm.all() else f" with at least {FIRM_SEEDS} seeds"
            lines.append(f"** also p < 0.05 after Holm's correction over the rows of each metric{few}.")
        if seeds == 1:
            rows = list(dict.fromkeys(found[found["seeds"] == 1]["row"]))
            which = "" if (found["seeds"] == 1).all() else f" ({', '.join(rows)})"
            lines.append(
                f"One seed{which}: the intervals cover the choice of test videos and no training noise at all, "
                "so they compare two trained models and not yet two settings."
            )
        elif seeds < FIRM_SEEDS:
            fewest = seeds if (found["seeds"] == seeds).all() else f"As few as {seeds}"
            usual, noisy = FALSE_ALARMS[seeds]
            lines.append(
                f"{fewest} seeds: training noise is in the intervals, and with few seeds still understated. Simulated "
                f"settings that do not differ (200 queries, 100 videos, {seeds} seeds) were told apart in {usual} % of "
                f"cases where seeds scatter by 1 point and in {noisy} % where by 3, instead of 5 %; so no correction "
                "for the number of rows is claimed."
            )
    if results.published:
        lines.append(f"Published columns: {results.published['source']}. {results.published['caution']}")
    return lines


def markdown(results: SweepResults, cells: pd.DataFrame, found: pd.DataFrame, figure: str | None) -> str:
    """The table with its figure, controls, verdict and notes as Markdown."""
    head = [f"# {results.title}", "", f"`{results.provenance['command']}`, commit {results.provenance['commit']}"]
    lines = [*head, "", markdown_table(cells), *caption(results, found)]
    lines += ["", *(f"- {sentence}" for sentence in verdict(results, found).splitlines())]
    lines += [f"- {name}: no figures, {reason}" for name, reason in results.missing.items()]
    lines += [f"- {note}" for note in results.declaration["notes"]]
    if results.controls:
        lines += ["", "## Controls", "", CONTROLS_IN_WORDS, "", markdown_table(control_table(results))]
    if figure:
        lines += ["", f"![{results.title}]({figure}.png)"]
    return "\n".join(lines) + "\n"


def control_table(results: SweepResults) -> pd.DataFrame:
    """What each row answers as it is and under each control: mean ± standard deviation over seeds."""
    lines = []
    for row in results.rows:
        for metric in results.evaluation.compared:
            cells = {"row": row, "figure": metric, "as it is": spread(results.of(row)[metric], "{:.1f}")}
            for name in results.controls:
                cells[name] = spread(results.control(row, name)[metric], "{:.1f}")
            lines.append(cells)
    return pd.DataFrame(lines)


def latex(results: SweepResults, cells: pd.DataFrame, found: pd.DataFrame, name: str) -> str:
    """The table as a LaTeX float."""
    published = [column for column in cells if "published" in column]
    ours = [column for column in cells if column not in published]
    groups = []
    if published:
        data = results.table["data"].iloc[0]
        groups = [(f"ours, {data} data", len(ours)), (f"published ({results.published['short']})", len(published))]
    heads = [*ours, *(column.partition(",")[0] for column in published)]
    words = " ".join([f"{results.title}.", *caption(results, found)])
    return latex_table(cells, words, f"tab:{name}", heads=heads, groups=groups)
