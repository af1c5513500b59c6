"""Tables as people read them: Markdown and LaTeX, energies in µJ, no exponents where digits will do."""

import math

import pandas as pd

_UNITS = {"_pj": (1e6, "µJ"), "_bytes": (1024, "KiB")}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with energies in µJ and memory in KiB, the unit in the column's title, words instead of underscores."""
    columns = {}
    for name in table:
        for ending, (factor, unit) in _UNITS.items():
            if name.endswith(ending):
                columns[f"{name.removesuffix(ending).replace('_', ' ')} ({unit})"] = table[name] / factor
                break
        else:
            columns["T" if name == "num_timesteps" else name.replace("_", " ")] = table[name]
    return pd.DataFrame(columns)


def to_markdown(table: pd.DataFrame, digits: int = 4) -> str:
    """A GitHub table; numbers to `digits` significant digits."""
    if table.empty:
        return "(none)\n"
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(cell(value, digits) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def to_latex(table: pd.DataFrame, caption: str, label: str, digits: int = 4) -> str:
    """A booktabs table; numbers to `digits` significant digits, special characters escaped."""
    columns = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in table.dtypes)
    head = " & ".join(_tex(str(name)) for name in table.columns) + r" \\"
    body = [" & ".join(_tex(cell(v, digits)) for v in row) + r" \\" for row in table.itertuples(index=False)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(caption)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def cell(value: object, digits: int = 4) -> str:
    """A number to so many significant digits, thousands apart; anything else as it is."""
    if isinstance(value, bool | str) or value is None:
        return str(value)
    if not isinstance(value, int | float) and not hasattr(value, "__float__"):
        return str(value)
    number = float(value)
    if math.isinf(number):
        return "never reached"
    if math.isnan(number):
        return ""
    if number == int(number):
        return f"{int(number):,}"
    places = digits - 1 - math.floor(math.log10(abs(number)))
    return f"{number:,.{max(places, 0)}f}" if places < 9 else f"{number:.{digits}g}"


_ESCAPES = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"})


def _tex(text: str) -> str:
    return text.translate(_ESCAPES).replace("µ", r"\textmu{}")
