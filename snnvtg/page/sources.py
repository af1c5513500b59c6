"""What lies in a folder of reports: each table with the provenance beside it, and what kind of table it is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from snnvtg.errors import InputError

SYNTHETIC = {"synthetic", "random"}
"""data that no camera has seen"""
ENERGY = "provenance.json"
"""the one provenance of an energy report's folder"""
FRONT = {"model", "seed", "energy_pj", "latency_ms"}
"""columns that make a table a comparison of models"""


@dataclass(frozen=True, eq=False)
class Source:
    """A table of the reports; `name` is its path within the folder."""

    path: Path
    name: str
    kind: str
    """sweep, comparison, energy, benchmark or table"""
    frame: pd.DataFrame
    provenance: dict[str, Any]

    @property
    def data(self) -> str:
        """What it was measured on, in words; empty where nobody says."""
        said = self.frame["data"].dropna().unique() if "data" in self.frame else []
        named = self.provenance.get("data")
        if len(said):
            return ", ".join(map(str, said))
        if isinstance(named, str):
            return named
        return "random" if self.kind == "benchmark" else ""

    @property
    def synthetic(self) -> bool:
        """Whether the data is made, not filmed."""
        return bool(self.data) and {part.strip() for part in self.data.split(",")} <= SYNTHETIC

    @property
    def label(self) -> str:
        """The name as a part of an address within the page."""
        return "".join(sign if sign.isalnum() else "-" for sign in self.name.removesuffix(".csv"))


def read_sources(folder: Path) -> list[Source]:
    """Every table below `folder`, by name; tables of single queries are not among them.

    A table that cannot be read is an InputError that names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the tables of reports/ in it")
    paths = sorted(folder.rglob("*.csv"), key=lambda path: path.relative_to(folder).as_posix())
    return [_source(path, folder) for path in paths if not path.stem.endswith("_queries")]


def _source(path: Path, folder: Path) -> Source:
    provenance = _provenance(path)
    try:
        frame = pd.read_csv(path, dtype={"row": str, "recipe": str, "run": str})
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"{path}: no table ({error}); repair it or move it away") from None
    return Source(path, path.relative_to(folder).as_posix(), _kind(path, frame, provenance), frame, provenance)


def _provenance(path: Path) -> dict[str, Any]:
    for beside in (path.with_suffix(".json"), path.with_name(ENERGY)):
        if beside.is_file():
            try:
                content = json.loads(beside.read_text(encoding="utf-8"))
            except ValueError as error:
                raise InputError(f"{beside}: no JSON ({error}); repair it or move it away") from None
            return content if isinstance(content, dict) else {}
    return {}


def _kind(path: Path, frame: pd.DataFrame, provenance: dict[str, Any]) -> str:
    if path.stem.startswith("comparison") or frame.columns.isin(FRONT).sum() == len(FRONT):
        return "comparison"
    if isinstance(provenance.get("declaration"), dict):
        return "sweep"
    if path.with_name(ENERGY).is_file():
        return "energy"
    return "benchmark" if path.stem.startswith("benchmark") else "table"
