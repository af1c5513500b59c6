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


def same_queries(paths: Sequence[Path], reference: str | None = None) -> list[SweepResults]:
    """Tables whose rows answer the same queries; InputError where one has others, or no IoU of a first window."""
    tables = [read_results(path, reference) for path in paths]
    known = [(table.provenance.get("data_checksum"), table.table["split"].iloc[0]) for table in tables]
    for path, table, asked in zip(paths, tables, known, strict=True):
        if IOU not in table.queries:
            raise InputError(f"{path}: its queries have no {IOU}; expected the table of models that find moments")
        if asked != known[0]:
            raise InputError(f"{path}: other data or another split than {paths[0]}; expected rows of the same queries")
    if tables[0].declaration["reference"] not in tables[0].rows:
        rows = ", ".join(tables[0].rows)
        raise InputError(f"{paths[0]}: no row to compare with; name one with --reference: {rows}")
    return tables


def recall_differences(tables: Sequence[SweepResults], thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Every row's mIoU, and R1@t for each t, minus that of the first table's reference, in points, with 95 % intervals.

    Paired as in `comparison.differences`. All thresholds are there, so that none is chosen for what it shows; they are
    not independent of one another, and no correction is made for their number.
    """
    first, found = tables[0], []
    reference = first.declaration["reference"]
    videos, base = per_query(first, reference, IOU)
    for table in tables:
        for row in table.rows:
            if row == reference or (table is first and table.same_as_reference(row)):
                continue
            _, ours = per_query(table, row, IOU)
            for threshold in (None, *thresholds):
                pair = [iou if threshold is None else np.where(iou >= threshold, 1.0, 0.0) for iou in (ours, base)]
                c = paired_comparison(*pair, videos, level=LEVEL, resamples=RESAMPLES)
                figure = IOU if threshold is None else f"R1@{threshold:g}"
                line = {"row": row, "figure": figure, "threshold": threshold, "value": 100 * pair[0].mean()}
                line |= {"difference": 100 * c.difference, "low": 100 * c.low, "high": 100 * c.high}
                found.append(line | {"differs": c.differs})
    return pd.DataFrame(found)
