"""A sweep over folds of all videos: every query of a data set answered by models that have not seen its video.

Each fold has a table of its own; `pooled` makes of them one, which is read, compared and drawn as any other. A row and
seed stands in it once all its folds are finished.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snnvtg.errors import InputError
from snnvtg.reporting import write_csv
from snnvtg.sweeps.declaration import Sweep
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.progress import FOLDS
from snnvtg.sweeps.request import awaited
from snnvtg.sweeps.results import KEY, QUERY_KEY, SweepTable
from snnvtg.sweeps.table import ResultsTable, read_provenance, read_rows
from snnvtg.sweeps.trial import Trial

TAKEN_ONCE = ("row", "model", "seed", "data", "split", "recipe", "run", "seconds")
"""columns that are not means over the folds"""


def run_over_folds(
    sweeps: Sequence[Sweep], base: Trial, paths: Sequence[Path], folds: int, **pool: Any
) -> list[SweepTable]:
    """Run the sweeps on each fold (tables in `folds/` beside `paths`), then write the pooled table at each path.

    Where a cluster is still at some of the models, nothing is pooled yet.
    """
    tables = run_sweeps(*in_folds(sweeps, base, paths, folds), **pool)
    for path in paths if not awaited(tables) else ():
        pooled([_of_fold(path, fold) for fold in range(folds)], path, data=base.data.load().name)
    return tables


def in_folds(
    sweeps: Sequence[Sweep], base: Trial, paths: Sequence[Path], folds: int
) -> tuple[list[Sweep], list[Trial], list[Path]]:
    """The sweeps once for each fold: with the trial that holds it out, and where their tables are.

    InputError where a row would be measured on anything else than the fold held out.
    """
    if base.inference.split != "test":
        raise InputError(f"--split {base.inference.split}: over folds, models are measured on the fold held out")
    repeated, bases, own = [], [], []
    for fold in range(folds):
        held_out = replace(base, data=replace(base.data, fold=fold, folds=folds, fold_over="all"))
        for sweep, path in zip(sweeps, paths, strict=True):
            _check_folds(sweep, held_out)
            repeated.append(sweep)
            bases.append(held_out)
            own.append(_of_fold(path, fold))
    return repeated, bases, own


def _check_folds(sweep: Sweep, held_out: Trial) -> None:
    for row in sweep.rows:
        trial = row.trial(held_out)
        folds = [(data.fold, data.folds, data.fold_over) for data in (trial.data, held_out.data)]
        if trial.inference.split != "test" or folds[0] != folds[1]:
            raise InputError(
                f"{row.where}: row {row.name!r}: over folds, every row is measured on the fold held out; take "
                "inference.split and data.fold out of it"
            )


def _of_fold(path: Path, fold: int) -> Path:
    return path.with_name(FOLDS) / f"{path.stem}-{fold + 1}.csv"


def pooled(folds: Sequence[Path], out: Path, *, data: str) -> None:
    """Write one table of the tables of all folds, with its provenance and each query's figures beside it.

    A figure is the mean over the folds, each weighted by its queries; `seconds` is their sum.
    """
    tables = pd.concat([read_rows(path, KEY).assign(fold=k) for k, path in enumerate(folds)])
    each = pd.concat([read_rows(_queries(path), QUERY_KEY).assign(fold=k) for k, path in enumerate(folds)])
    weights = each.drop_duplicates(["fold", "query"]).groupby("fold").size()
    groups = tables.groupby(list(KEY), dropna=False, sort=False)
    finished = [group for _, group in groups if len(group) == len(folds)]
    split = f"each of {len(folds)} folds of all videos held out"
    rows = [_row(group, weights[group["fold"]].to_numpy()) | {"data": data, "split": split} for group in finished]
    if not rows:
        raise InputError(f"{out}: no row has figures of all {len(folds)} folds")
    there = pd.DataFrame(rows).astype({"seed": "Int64"})[["row", "model", "seed"]]
    every = each.drop(columns="fold").merge(there, on=list(KEY))
    said = [read_provenance(path) for path in folds]
    details = {name: said[0].get(name) for name in ("data_checksum", "evaluation", "changed", "declaration")}
    details["wall_seconds"] = max(one.get("wall_seconds", 0) for one in said)  # all folds run at the same time
    details["failures"] = {
        f"{label}, fold {k + 1}": reason for k, one in enumerate(said) for label, reason in one["failures"].items()
    }
    identity = said[0]["identity"] | {"data": data, "split": split}
    table = ResultsTable(out, identity, KEY, [name for name in tables if name != "fold"])
    table.rows = []  # what an earlier run pooled is among them
    write_csv(every.sort_values(["row", "seed", "query"], kind="stable"), _queries(out))
    table.add(rows, data=data, commits=_commits(said), **details)


def _row(group: pd.DataFrame, weights: np.ndarray) -> dict[str, Any]:
    """One line from those of the folds; a figure that a fold lacks is none."""
    first = group.iloc[0]
    row = {name: first[name] for name in ("row", "model", "seed")}
    for name in group.columns.drop("fold").difference(TAKEN_ONCE, sort=False):
        same = group[name].nunique(dropna=False) == 1
        # of numbers, one that is missing leaves none
        row[name] = first[name] if same else float(np.average(group[name].astype(float), weights=weights))
    row["seconds"] = group["seconds"].sum(min_count=len(group)) if "seconds" in group else None
    if "recipe" in group and group["recipe"].notna().all():
        row["recipe"] = hashlib.sha256("".join(group["recipe"]).encode()).hexdigest()[:12]
    return row


def _commits(said: Sequence[dict[str, Any]]) -> list[str]:
    """The commits the folds were measured at."""
    return list(dict.fromkeys(str(one.get("commit")) for one in said))


def _queries(path: Path) -> Path:
    return path.with_name(f"{path.stem}_queries.csv")
