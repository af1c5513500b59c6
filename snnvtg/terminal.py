"""What commands print: no wider than the terminal, in units that people read."""

import math
import shutil
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

UNITS = {"pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12}
"""picojoules in each"""


def width() -> int:
    """Columns of the terminal (or COLUMNS); 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def table_text(table: "pd.DataFrame", number: Callable[[float], str] = "{:.4g}".format) -> str:
    """`table` without its index; columns that do not fit stand in a second block below, a long cell is shortened."""
    most = max(20, width() // 2)
    return table.to_string(index=False, float_format=number, na_rep="", line_width=width(), max_colwidth=most)


def page_text(page: str, file: str) -> str:
    """A Markdown page: sentences wrapped, rows of tables cut; where any is, the last line names the `file` with all."""
    lines, cut = [], False
    for line in page.splitlines():
        if line.startswith("|") and len(line) > width():
            lines.append(line[: width() - 1] + "…")
            cut = True
        else:
            lines += textwrap.wrap(line, width(), break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([*lines, f"(tables are cut to the terminal: {file} has all of them)"] if cut else lines)


def figures_text(figures: Mapping[str, float | int | str | None]) -> str:
    """A line for each figure: its name and value, energies in the unit that fits."""
    return "\n".join(f"{name.removesuffix('_pj'):40} {_value(name, value)}" for name, value in figures.items())


def _value(name: str, value: float | int | str | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return energy(value) if name.endswith("_pj") else digits(value)


def energy(picojoules: float) -> str:
    """An energy in the largest unit of which there is at least one: 56.56 µJ."""
    unit = next((unit for unit in reversed(UNITS) if abs(picojoules) >= UNITS[unit]), "pJ")
    return f"{digits(picojoules / UNITS[unit])} {unit}"


def digits(value: float) -> str:
    """A number to four significant digits, no exponents where digits will do: 6,336,711."""
    if not math.isfinite(value) or 0 < abs(value) < 1e-4 or abs(value) >= 1e15:
        return f"{value:.4g}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"
