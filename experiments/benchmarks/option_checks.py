"""What a benchmark refuses before it measures: sizes out of range, a table that is not its own."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from snnvtg.errors import InputError


def check_counts(**options: int | tuple[int, ...]) -> None:
    """InputError unless every option, or each of its values, is from 1 to a million; threads to 1,024."""
    for name, value in options.items():
        values, most = value if isinstance(value, tuple) else (value,), 1024 if name == "threads" else 10**6
        if not values or not 1 <= min(values) <= max(values) <= most:
            given = " ".join(map(str, values)) or "none"
            raise InputError(f"--{name.replace('_', '-')}: expected numbers from 1 to {most}, got {given}")


def kept_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The rows an earlier run left at `path`; empty where there are none, InputError where they are something else."""
    if not path.exists():
        return pd.DataFrame()
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table ({error}); remove it or choose another --out") from error
    absent = [column for column in columns if column not in table]
    if absent:
        raise InputError(f"{path}: no table of this benchmark (no column {absent[0]}); choose another --out")
    for column in columns:
        if table[column].isna().any():
            line = int(table[column].isna().argmax()) + 2
            raise InputError(f"{path}:{line}: no {column}; remove that row or choose another --out")
    return table
