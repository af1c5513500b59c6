"""Tables that somebody changed: what a sweep's files must hold so that they can be read, each fault one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from snnvtg.errors import InputError

REMEDY = "restore the file, or move the sweep's files away and run it again"
_LISTS = {"rows": dict, "controls": str, "notes": str}
_WORDS = {"title": str, "reference": str | None, "columns": dict}


def check_numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """`table` with numbers in `columns`, nothing allowed; InputError names line, column and what stands there."""
    numbers = {}
    for name in columns:
        if name not in table:
            raise InputError(f"{path}: no column {name}; {REMEDY}")
        numbers[name] = pd.to_numeric(table[name], errors="coerce")
        wrong = table[numbers[name].isna() & table[name].notna()]
        if len(wrong):
            place = f"{path}:{table.index.get_loc(wrong.index[0]) + 2}"
            raise InputError(f"{place}: {name} is {wrong[name].iloc[0]!r:.60}, expected a number; {REMEDY}")
    return table.assign(**numbers)


def check_queries(table: pd.DataFrame, queries: pd.DataFrame, path: Path) -> None:
    """InputError unless `queries` has every query of each trained row and seed of `table` once."""
    doubled = queries[queries.duplicated(["row", "seed", "query"])]
    if len(doubled):
        first = doubled.iloc[0]
        raise InputError(f"{path}: row {first['row']!r} has query {first['query']} twice; {REMEDY}")
    trained = table[table["seed"].notna()]
    counts = queries[queries["seed"].notna()].groupby(["row", "seed"]).size()
    for row, seed in dict.fromkeys(zip(trained["row"], trained["seed"], strict=True)):
        if (row, seed) not in counts.index:
            raise InputError(f"{path}: row {row!r}, seed {seed} is missing; {REMEDY}")
        if counts[row, seed] != counts[row].max():
            raise InputError(f"{path}: row {row!r}, seed {seed} lacks queries that another seed has; {REMEDY}")


def check_declaration(declaration: Any, path: Path) -> None:
    """InputError unless `declaration` is what `Sweep.plain` gives."""
    if not isinstance(declaration, dict):
        raise InputError(f"{path}: not the provenance of a sweep (no declaration); {REMEDY}")
    wrong = [name for name, kind in _WORDS.items() if not isinstance(declaration.get(name, ()), kind)]
    for name, kind in _LISTS.items():
        found = declaration.get(name)
        if not isinstance(found, list) or not all(isinstance(entry, kind) for entry in found):
            wrong.append(name)
    if wrong or not all(isinstance(row.get("name"), str) for row in declaration["rows"]):
        raise InputError(f"{path}: {(wrong or ['rows'])[0]} of the declaration is not as a sweep writes it; {REMEDY}")
