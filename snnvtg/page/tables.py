"""Tables as the page shows them: text to read, a number to sort by, and a mark on what is published."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from snnvtg.page.sources import Source

LEFT_OUT = ("recipe", "run", "coverage", "backend")
"""columns of a raw table that name files or say the same in every row"""
_NUMBER = re.compile(r"^[−+-]?[\d,]*\.?\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Cell:
    """A cell: what is read, and what is sorted by (None: its text)."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class Column:
    """A column's head; `published` figures are not ours."""

    name: str
    numeric: bool
    published: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the page with the source of its numbers."""

    label: str
    caption: str
    source: Source
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    folded: bool = False
    """whether it is behind a summary until asked for"""


def text_table(label: str, caption: str, source: Source, cells: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """A table of text, sorted by the number a text begins with."""
    rows = tuple(tuple(_read(str(text)) for text in row) for row in cells.to_numpy().tolist())
    return Table(label, caption, source, _heads(list(cells.columns), rows), rows, tuple(notes))


def raw_table(label: str, caption: str, source: Source, frame: pd.DataFrame, *, folded: bool = True) -> Table:
    """A table of values as they were written, without what no reader looks for; energies in µJ."""
    kept = [name for name in frame if name not in LEFT_OUT and ":" not in name and frame[name].notna().any()]
    shown = frame[kept].copy()
    for name in [name for name in kept if name.endswith("_pj") and pd.api.types.is_numeric_dtype(shown[name])]:
        shown[name] = shown[name] / 1e6
    shown.columns = [name.removesuffix("_pj") + " (µJ)" if name.endswith("_pj") else name for name in kept]
    rows = tuple(tuple(map(_write, row)) for row in shown.astype(object).to_numpy().tolist())
    return Table(label, caption, source, _heads(list(shown.columns), rows), rows, folded=folded)


def _heads(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> tuple[Column, ...]:
    def numeric(place: int) -> bool:
        said = [row[place] for row in rows if row[place].text not in ("", "–")]
        return bool(said) and sum(cell.number is not None for cell in said) > len(said) / 2

    return tuple(Column(name, numeric(place), "published" in name) for place, name in enumerate(names))


def _read(text: str) -> Cell:
    found = _NUMBER.match(text)
    if not found:
        return Cell(text)
    return Cell(text, float(found.group().replace("−", "-").replace(",", "")))


def _write(value: object) -> Cell:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("–")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(str(value))
    if math.isinf(value):
        return Cell("never", math.inf)
    return Cell(number_text(value), float(value))


def number_text(value: float) -> str:
    """A number to four digits, thousands separated, without a power of ten where it can do without."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    if 1e-4 <= abs(value) < 1e6:
        digits = max(0, 3 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
    return f"{value:.3g}"
