"""What a sweep's files say: figures of each row, and its paired difference from the reference row."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snnvtg.data.synthetic_config import SAME_SCENES
from snnvtg.errors import InputError
from snnvtg.metrics.evaluations import EVALUATIONS, Evaluation
from snnvtg.metrics.intervals import bootstrap_interval, paired_comparison
from snnvtg.models import model_class
from snnvtg.plugins import is_outside
from snnvtg.sweeps.results import COSTS, KEY, QUERY_KEY
from snnvtg.sweeps.table import TEXT, read_provenance, read_rows
from snnvtg.sweeps.touched import check_declaration, check_numbers, check_queries

COUNTED = tuple(name for name in COSTS if name not in TEXT)
SYNTHETIC = "data.synthetic."
PAIRED = tuple(SYNTHETIC + name for name in SAME_SCENES)
LEVEL = 0.95
RESAMPLES = 10_000
FIRM_SEEDS = 5
"""seeds of both rows below which no p is corrected: with fewer, the intervals exclude 0 too often to build on"""


@dataclass(frozen=True, eq=False)
class SweepResults:
    """One sweep as stored on disk; reading it runs no model."""

    table: pd.DataFrame
    """a row per row of the sweep, model or control, and seed"""
    queries: pd.DataFrame
    """columns row, model, seed, query, video and the figures of each query in 0…1"""
    provenance: dict[str, Any]
    published: dict[str, Any] | None
    """the figures of the model's paper for this sweep, where it has some"""

    @property
    def declaration(self) -> dict[str, Any]:
        """The sweep's declaration at its last run."""
        return self.provenance["declaration"]

    @property
    def evaluation(self) -> Evaluation:
        """How its models are scored."""
        return EVALUATIONS[self.provenance["evaluation"]]

    @property
    def seeds(self) -> int:
        """How many seeds there are figures of."""
        return self.table["seed"].dropna().nunique()

    @property
    def title(self) -> str:
        """Title with data, split and number of seeds; synthetic data says so."""
        seeds = self.seeds
        data = self.table["data"].iloc[0]
        split = self.table["split"].iloc[0]
        where = split if " " in split else f"{split} split"  # folds are more words
        words = f"{data} data, {where}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
        return f"{self.declaration['title']} ({words})"

    @property
    def untrained(self) -> list[str]:
        """Names of the rows that took no training."""
        return list(dict.fromkeys(self.table.loc[self.table["seed"].isna(), "row"]))

    @property
    def rows(self) -> list[str]:
        """Names of the trained rows with figures: as declared, then any of an older declaration."""
        there = list(dict.fromkeys(self.table.loc[self.table["seed"].notna(), "row"]))
        declared = [row["name"] for row in self.declaration["rows"]]
        return [row for row in declared if row in there] + [row for row in there if row not in declared]

    @property
    def controls(self) -> list[str]:
        """The controls with figures, as declared."""
        return [name for name in self.declaration["controls"] if (self.table["model"] == name).any()]

    @property
    def axes(self) -> list[str]:
        """The columns of the grid."""
        return list(self.declaration["columns"].values())

    @property
    def missing(self) -> dict[str, str]:
        """What has no figures and why: `ROW, seed S` of each failed training, declared rows that were not run."""
        seeds = self.table[["row", "seed"]].dropna()
        there = {f"{row}, seed {seed}" for row, seed in seeds.itertuples(index=False)}
        failures = self.provenance.get("failures", {})
        failed = {label: reason for label, reason in failures.items() if label not in there}
        known = {*self.table["row"], *(label.rpartition(", seed ")[0] for label in failed)}
        declared = [row["name"] for row in self.declaration["rows"]]
        return failed | {name: "not run yet" for name in declared if name not in known}

    def of(self, row: str) -> pd.DataFrame:
        """The figures of one row's own model, a line per seed."""
        return self.table[(self.table["row"] == row) & ~self.table["model"].isin(self.declaration["controls"])]

    def control(self, row: str, name: str) -> pd.DataFrame:
        """The figures of one row under one control, a line per seed."""
        return self.table[(self.table["row"] == row) & (self.table["model"] == name)]

    def recipe(self, row: str) -> str:
        """What the row's models were made of, as a digest."""
        return self.of(row)["recipe"].iloc[0]

    def asked(self, row: str) -> tuple[str, Mapping[str, str], list[tuple[int, int]]]:
        """What the row's models were asked: split, settings of synthetic scenes, number of each query and its video.

        Two rows can be paired over queries where it is the same.
        """
        settings = next((one.get("settings", {}) for one in self.declaration["rows"] if one["name"] == row), {})
        made = {name: value for name, value in settings.items() if name.startswith(SYNTHETIC) and name not in PAIRED}
        part = self.queries.loc[self.queries["row"] == row, ["query", "video"]].drop_duplicates()
        return self.of(row)["split"].iloc[0], made, sorted(part.itertuples(index=False, name=None))

    def same_as_reference(self, row: str) -> bool:
        """Whether a row is the reference's own model under another name."""
        reference = self.declaration["reference"]
        return reference in self.rows and self.recipe(row) == self.recipe(reference)


def read_results(path: Path, reference: str | None = None) -> SweepResults:
    """Read NAME.csv with NAME.json and NAME_queries.csv beside it.

    `reference`: the row that others are compared with; none, or no row of the sweep: as declared.
    """
    beside, queries = path.with_suffix(".json"), path.with_name(f"{path.stem}_queries.csv")
    for needed in (path, beside, queries):
        if not needed.is_file():
            raise InputError(f"{needed}: not there; run the sweep with this --out first")
    table, provenance = read_rows(path, KEY), read_provenance(path)
    check_declaration(provenance.get("declaration"), beside)
    evaluation = EVALUATIONS.get(str(provenance.get("evaluation")))
    if evaluation is None or table.empty:
        absent = "no evaluation" if evaluation is None else f"no rows in {path.name}"
        raise InputError(f"{beside}: not the provenance of a finished sweep ({absent}); move {path} away")
    figures = {*evaluation.shown, *evaluation.compared}
    table = check_numbers(table, [*figures, *(name for name in COUNTED if name in table)], path)
    each = check_numbers(read_rows(queries, QUERY_KEY), ("query", *evaluation.compared), queries)
    check_queries(table, each, queries)
    declaration = provenance["declaration"]
    if reference in {row["name"] for row in declaration["rows"]}:
        provenance = {**provenance, "declaration": {**declaration, "reference": reference}}
    return SweepResults(table, each, provenance, published_figures(provenance, path.stem))


def published_figures(provenance: dict[str, Any], sweep: str) -> dict[str, Any] | None:
    """What the paper of the sweep's model says for it; None where the model says nothing or cannot be found."""
    identity = provenance.get("identity")
    name = str(identity.get("model", "")) if isinstance(identity, dict) else ""
    if is_outside(name) and name.partition(":")[0] not in sys.modules:  # no file decides what code is imported
        return None
    try:
        return model_class(name).published().get(sweep)
    except InputError:  # a plugin that is not installed where the table is drawn again
        return None


def differences(results: SweepResults) -> pd.DataFrame:
    """Each row minus the reference, in percentage points: mean, 95 % interval, p, and p after Holm (NaN: not claimed).

    Paired over queries, resampling whole videos and the seeds of both (`metrics.intervals.paired_comparison`). p is
    the two-sided share of resamples on the other side of 0. `differs`: the interval excludes 0. `seeds`: of the side
    with fewer. Holm is over the rows of each metric that have at least `FIRM_SEEDS`; others have no p_holm. A row that
    was asked other queries than the reference is left out.
    """
    reference = results.declaration["reference"]
    columns = ["row", "metric", "difference", "low", "high", "p", "differs", "seeds", "p_holm"]
    if reference not in results.rows:
        return pd.DataFrame(columns=columns)
    found = []
    for metric in results.evaluation.compared:
        videos, theirs = per_query(results, reference, metric)
        lines = []
        for row in results.rows:
            if results.same_as_reference(row) or results.asked(row) != results.asked(reference):
                continue
            _, ours = per_query(results, row, metric)
            c = paired_comparison(ours, theirs, videos, level=LEVEL, resamples=RESAMPLES)
            p = max(2 * min(c.ahead, 1 - c.ahead), 2 / RESAMPLES)
            seeds = min(len(ours), len(theirs))
            lines.append([row, metric, 100 * c.difference, 100 * c.low, 100 * c.high, p, c.differs, seeds])
        firm = [line for line in lines if line[7] >= FIRM_SEEDS]
        adjusted = dict(zip((line[0] for line in firm), holm([line[5] for line in firm]), strict=True))
        found += [[*line, adjusted.get(line[0], np.nan)] for line in lines]
    return pd.DataFrame(found, columns=columns).astype({"p_holm": float})


def video_intervals(results: SweepResults) -> pd.DataFrame:
    """95 % bootstrap intervals over videos of every trained row of one seed, in percent: row, metric, low, high.

    They hold the choice of test videos and no training noise.
    """
    lines = []
    for row in results.rows:
        part = results.queries[results.queries["row"] == row]
        if part["seed"].nunique() != 1:
            continue
        for metric in results.evaluation.compared:
            found = bootstrap_interval(part[metric].to_numpy(dtype=float), part["video"].tolist(), level=LEVEL)
            lines.append([row, metric, 100 * found.low, 100 * found.high])
    return pd.DataFrame(lines, columns=["row", "metric", "low", "high"])


def holm(values: list[float]) -> list[float]:
    """p values adjusted for their number (Holm, 1979): the k-th smallest of n times n - k + 1, never falling."""
    order = np.argsort(values)
    raised = [values[i] * (len(values) - k) for k, i in enumerate(order)]
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1) if values else raised
    return adjusted.tolist()


def per_query(results: SweepResults, row: str, metric: str) -> tuple[list[int], np.ndarray]:
    """Videos (Q,) and a figure (S, Q) of a row."""
    part = results.queries[results.queries["row"] == row].sort_values(["seed", "query"])
    wide = part.pivot(index="seed", columns="query", values=metric)
    videos = part[part["seed"] == part["seed"].iloc[0]]["video"].tolist()
    return videos, wide.to_numpy(dtype=float)
