"""The joined table of compared models as Markdown, with what is behind each figure."""

from collections.abc import Sequence

import pandas as pd

from snnvtg.markup import markdown_table
from snnvtg.sweeps.comparison import SweepResults, differences
from snnvtg.sweeps.measures import RANKED
from snnvtg.sweeps.report import CONTROLS_IN_WORDS, NOTHING, control_table, spread, verdict
from snnvtg.sweeps.rivals import published

CAPTION = (
    "Mean ± standard deviation over seeds. Energy is an estimate, 45 nm fp32 arithmetic, in brackets the lowest and "
    "highest of all cost models. Latency: the median of one query alone; peak: memory of one training step beyond "
    "what stays between steps; seconds: training, accuracy and energy. SumR beside models that answer moments: how "
    f"they rank the videos of {RANKED} queries, for which they were not trained."
)


def markdown(table: pd.DataFrame, found: Sequence[SweepResults], models: Sequence[str], stem: str) -> str:
    """The joined table, each sweep's verdict and controls, and what the models' papers say."""
    lines = [f"# Models compared ({found[0].title.partition('(')[2]}", ""]
    for results in found:
        origin = results.provenance
        lines += [f"`{origin['command']}`, commit {origin['commit']}, {origin['wall_seconds']:.0f} s", ""]
    lines += [markdown_table(summary(table)), CAPTION, "", f"![accuracy against energy]({stem}.png)"]
    for results in found:
        name = results.declaration["name"]
        lines += ["", f"## Models scored by {name}: [table with intervals]({stem}/{name}.md)", ""]
        lines += [f"- {sentence}" for sentence in verdict(results, differences(results)).splitlines()]
        if results.controls:
            lines += ["", CONTROLS_IN_WORDS, "", markdown_table(control_table(results))]
    return "\n".join([*lines, *_published(models, str(table["data"].iloc[0]))]) + "\n"


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One line of text per model: figures, what it costs, how long it takes."""
    figures = [column for column in ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU") if _has(table, column)]
    figures = figures or [c for c in table if c.startswith(("MR-", "HL-", "mAP")) and _has(table, c)]
    figures += ["SumR"] if _has(table, "SumR") else []
    lines = []
    for name, own in table.groupby("model", sort=False):
        cells = {"model": str(name), "seeds": str(own["seed"].notna().sum() or NOTHING)}
        cells |= {figure: spread(own[figure], "{:.1f}") for figure in figures}
        cells["firing rate"] = spread(own["firing_rate"], "{:.3f}")
        cells["parameters"] = _number(own["parameters"], 1, ",.0f")
        cells["MACs, M"] = _number(own["macs"], 1e6, ",.2f")
        cells["synops, M"] = _number(own["synops"], 1e6, ",.3f")
        low, high = (_number(own[f"energy_{end}_pj"], 1e6, ",.1f") for end in ("low", "high"))
        range_ = "" if low == NOTHING else f" ({low}–{high})"
        cells["energy, µJ"] = _number(own["energy_pj"], 1e6, ",.1f") + range_
        cells["latency, ms"] = _number(own["latency_ms"], 1, ",.1f")
        cells["peak, MB"] = _number(own["peak_mb"], 1, ",.0f")
        cells["seconds"] = _number(own["seconds"], 1, ",.0f")
        lines.append(cells)
    return pd.DataFrame(lines)


def _has(table: pd.DataFrame, column: str) -> bool:
    return column in table and bool(table[column].notna().any())


def _number(values: pd.Series, unit: float, form: str) -> str:
    values = values.dropna().astype(float)
    return NOTHING if values.empty else format(values.mean() / unit, form)


def _published(models: Sequence[str], data: str) -> list[str]:
    said = published(models, data)
    if said.empty:
        return []
    wide = said.pivot(index="model", columns="figure", values="published").reset_index()
    wide.columns = ["model", *(f"{name}, published" for name in wide.columns[1:])]
    sources = "; ".join(dict.fromkeys(said["source"]))
    caution = "On the whole data set, with other features and widths: read beside, never against the table above."
    return [
        "",
        "## Published figures, never ours",
        "",
        markdown_table(wide.fillna(NOTHING).astype(str)),
        caution,
        sources,
    ]
