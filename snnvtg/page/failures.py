"""What went wrong: rows without figures, and queries that are answered wrongly."""

import pandas as pd

from snnvtg.page.sources import Source
from snnvtg.sweeps.comparison import SweepResults


def failure_rows(source: Source, results: SweepResults | None) -> pd.DataFrame:
    """Columns row, reason: rows of a sweep, or parts of a benchmark, that have no figures."""
    told = dict(results.missing) if results is not None else {}
    for key in ("failed", "absent"):
        found = source.provenance.get(key)
        if isinstance(found, dict):
            told |= {name: "; ".join(why) if isinstance(why, list) else str(why) for name, why in found.items()}
    return pd.DataFrame(list(told.items()), columns=["row", "reason"])


def missed_queries(results: SweepResults) -> pd.DataFrame:
    """A line per trained row: how its queries end; empty where no overlap of single queries was kept.

    A query is missed where the mean overlap of its seeds is below 0.1, answered above 0.5. The first line is of the
    queries that every row misses: a fault of the data or of all models alike, not of one.
    """
    queries = results.queries
    if "mIoU" not in queries:
        return pd.DataFrame()
    mean = queries.pivot_table("mIoU", "query", "row", aggfunc="mean")
    mean = mean[[row for row in results.rows if row in mean]]
    if mean.empty:
        return pd.DataFrame()
    every = mean.max(axis=1)
    lines = [_line("every row, at its best", every)] if mean.shape[1] > 1 else []
    return pd.DataFrame([*lines, *(_line(row, mean[row]) for row in mean)])


def _line(row: str, overlap: pd.Series) -> dict[str, str]:
    missed, answered = (overlap < 0.1).mean(), (overlap > 0.5).mean()
    return {
        "row": row,
        "queries": str(len(overlap)),
        "missed, overlap below 0.1 (%)": f"{100 * missed:.1f}",
        "near, 0.1 to 0.5 (%)": f"{100 * (1 - missed - answered):.1f}",
        "answered, above 0.5 (%)": f"{100 * answered:.1f}",
    }
