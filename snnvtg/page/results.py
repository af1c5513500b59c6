"""A sweep's results from its source, the queries' figures where they were kept."""

from functools import cache

import pandas as pd

from snnvtg.errors import InputError
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.page.sources import Source
from snnvtg.sweeps.comparison import SweepResults, differences, published_figures, read_results


@cache
def results_of(source: Source) -> SweepResults | None:
    """The results of a sweep's table; without its table of queries nothing can be paired. None where nothing fits."""
    try:
        return read_results(source.path)
    except InputError:
        if source.provenance.get("evaluation") not in EVALUATIONS or not {"row", "model", "seed"} <= {*source.frame}:
            return None
        published = published_figures(source.provenance, source.path.stem)
        return SweepResults(source.frame, pd.DataFrame(), source.provenance, published)


@cache
def paired(results: SweepResults) -> pd.DataFrame:
    """Each row's difference from the reference; empty where no query's figures were kept."""
    return differences(results) if len(results.queries) else pd.DataFrame(columns=["row", "metric", "difference"])
