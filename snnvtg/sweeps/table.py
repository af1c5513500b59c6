"""A results table on disk that grows row by row and is never half-written."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snnvtg.errors import InputError
from snnvtg.reporting import provenance, write_csv, write_json

TEXT = {"row": str, "recipe": str, "run": str}
"""columns that are text whatever they look like: a digest such as 12345e678901 would be read as a number"""


class ResultsTable:
    """Rows of one sweep in `path` (CSV), with the sweep's identity and provenance in the JSON beside it.

    `key` names the columns that tell rows apart, `columns` the order of the leading ones. Opening a table that
    another sweep wrote is an error, so that no figure ends up under another's settings.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], key: Sequence[str], columns: Sequence[str]):
        self.path, self.beside = path, path.with_suffix(".json")
        self.identity, self.key, self.columns = _as_json(identity), list(key), list(columns)
        self.rows = self.existing()

    def existing(self) -> list[dict[str, Any]]:
        """The rows on disk; InputError where they are another sweep's."""
        if not self.path.is_file():
            return []
        known = read_provenance(self.path).get("identity")
        if not isinstance(known, dict):
            raise InputError(
                f"{self.beside}: has no identity, so the rows of {self.path.name} cannot be trusted; "
                "move both away or choose another --out"
            )
        differing = sorted(k for k in {*known, *self.identity} if known.get(k) != self.identity.get(k))
        if differing:
            raise InputError(
                f"{self.path}: holds rows of another sweep (differs in {', '.join(differing)}); "
                "move it away or choose another --out"
            )
        return read_rows(self.path, self.key).to_dict("records")

    def holds(self, **key: Any) -> bool:
        """Whether a finished row with this key is there."""
        return any(self._key(row) == self._key(key) for row in self.rows)

    def add(self, rows: Sequence[Mapping[str, Any]], **details: Any) -> None:
        """Add finished rows, then write the provenance with `details` and the table."""
        self.rows += [dict(row) for row in rows]
        write_json(provenance(identity=self.identity, **details), self.beside)
        write_csv(self.frame(), self.path)

    def frame(self) -> pd.DataFrame:
        """The rows sorted by their key, whole numbers whole even where a row has none."""
        rows = sorted(self.rows, key=lambda row: [_rank(part) for part in self._key(row)])
        known = [name for row in rows for name in row]
        table = pd.DataFrame(rows, columns=list(dict.fromkeys([*self.columns, *known])))
        return table.astype({name: "Int64" for name in table if _whole(table[name])})

    def _key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(_text(row.get(name)) for name in self.key)


def read_provenance(path: Path) -> dict[str, Any]:
    """The JSON beside the table `path`; InputError where it is missing or no JSON object."""
    beside = path.with_suffix(".json")
    try:
        content = json.loads(beside.read_text())
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: {beside.name} beside it is missing or unreadable, so its rows cannot be trusted; "
            "move the CSV away or choose another --out"
        )
    return content


def read_rows(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """The rows of a results table with the columns `needed`; InputError where the file is something else."""
    try:
        # the python engine reads every float back exactly
        table = pd.read_csv(path, engine="python", dtype={**TEXT, "seed": "Int64"})
    except (OSError, ValueError, TypeError, OverflowError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"{path}: not a results table ({' '.join(str(error).split())}); move it away") from None
    absent = [column for column in needed if column not in table]
    if absent:
        raise InputError(f"{path}: not a results table (no column {absent[0]}); move it away or choose another")
    if table.columns.duplicated().any() or table["row" if "row" in table else needed[0]].isna().any():
        raise InputError(f"{path}: not a results table (a row without a name, or a column twice); move it away")
    return table


def versions(paths: Sequence[Path]) -> list[tuple[int, ...]]:
    """What tells one version of each file from the next, where files are replaced and never changed."""
    found: list[tuple[int, ...]] = []
    for path in paths:
        try:
            with path.open("rb") as file:  # opened, for a shared file system looks anew then
                known = os.fstat(file.fileno())
            found.append((known.st_ino, known.st_mtime_ns, known.st_size))
        except FileNotFoundError:
            found.append(())
    return found


def small(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Figures that are 0 or 1 as whole numbers: a file half as long."""
    whole = {name: np.all((value == 0) | (value == 1)) for name, value in values.items()}
    return {name: value.astype(int) if whole[name] else value for name, value in values.items()}


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _rank(text: str) -> tuple[bool, float, str]:
    """Numbers by value, words by letter, nothing last."""
    return (text == "", float(text), "") if text.isdigit() else (text == "", 0.0, text)


def _whole(column: pd.Series) -> bool:
    values = column.dropna()
    return len(values) > 0 and all(isinstance(v, int) or (isinstance(v, float) and v.is_integer()) for v in values)


def _as_json(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The identity as JSON will give it back."""

    def plain(value: Any) -> Any:
        return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)

    return json.loads(json.dumps(identity, default=plain))
