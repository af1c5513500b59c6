"""Where two settings differ: in windows that are roughly right, or in those that are nearly exact."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from snnvtg.errors import InputError
from snnvtg.metrics.intervals import paired_comparison
from snnvtg.sweeps.comparison import LEVEL, RESAMPLES, SweepResults, per_query, read_results

IOU = "mIoU"
"""of a single query: the IoU of its first window"""
THRESHOLDS = tuple(round(0.3 + 0.05 * step, 2) for step in range(13))


def tables_of_moments(paths: Sequence[Path], reference: str | None = None) -> list[SweepResults]:
    """Tables on the same data, the first with the reference; InputError where one has other data, or no windows."""
    tables = [read_results(path, reference) for path in paths]
    known = [table.provenance.get("data_checksum") for table in tables]
    for path, table, checksum in zip(paths, tables, known, strict=True):
        if IOU not in table.queries:
            raise InputError(f"{path}: its queries have no {IOU}; expected the table of models that find moments")
        if checksum != known[0]:
            raise InputError(f"{path}: other data than {paths[0]}; expected rows of the same queries")
    rows = ", ".join(tables[0].rows)
    if reference is not None and reference not in tables[0].rows:
        raise InputError(f"--reference: {paths[0]} has no row {reference!r}; its rows: {rows}")
    if tables[0].declaration["reference"] not in tables[0].rows:
        raise InputError(f"{paths[0]}: no row to compare with; name one with --reference: {rows}")
    return tables


def recall_differences(
    tables: Sequence[SweepResults], thresholds: Sequence[float] = THRESHOLDS, rows: Sequence[str] = ()
) -> pd.DataFrame:
    """The mIoU of `rows` (all by default), and R1@t for each t, minus the reference's, in points, with 95 % intervals.

    Paired as in `comparison.differences`. All thresholds are there, so that none is chosen for what it shows; they are
    not independent of one another, and no correction is made for their number.
    """
    first, found = tables[0], []
    reference = first.declaration["reference"]
    videos, base = per_query(first, reference, IOU)
    for row, table in _others(tables, rows).items():
        if table.asked(row) != first.asked(reference):
            raise InputError(f"row {row!r} answers other queries than {reference!r}; choose rows with --rows")
        _, ours = per_query(table, row, IOU)
        for threshold in (None, *thresholds):
            pair = [iou if threshold is None else np.where(iou >= threshold, 1.0, 0.0) for iou in (ours, base)]
            c = paired_comparison(*pair, videos, level=LEVEL, resamples=RESAMPLES)
            figure = IOU if threshold is None else f"R1@{threshold:g}"
            line = {"row": row, "figure": figure, "threshold": threshold, "value": 100 * pair[0].mean()}
            line |= {"difference": 100 * c.difference, "low": 100 * c.low, "high": 100 * c.high}
            found.append(line | {"differs": c.differs})
    return pd.DataFrame(found)


def _others(tables: Sequence[SweepResults], rows: Sequence[str]) -> dict[str, SweepResults]:
    """The rows to compare and the table of each; a model that several rows or tables have stands there once."""
    reference = tables[0].declaration["reference"]
    known = {tables[0].recipe(reference)}
    found: dict[str, SweepResults] = {}
    names = {row for table in tables for row in table.rows}
    for row in rows:
        if row not in names or row == reference:
            raise InputError(f"--rows: no row {row!r}; expected some of {', '.join(sorted(names - {reference}))}")
    for table in tables:
        for row in table.rows:
            if (rows and row not in rows) or table.recipe(row) in known:
                continue
            if row in (*found, reference):
                raise InputError(f"row {row!r} is another model in two of the tables; choose others with --rows")
            known.add(table.recipe(row))
            found[row] = table
    if not found:
        raise InputError(f"no row has figures to compare with those of {reference!r}")
    return found
