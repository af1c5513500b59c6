"""Tables of text as Markdown and as LaTeX: the one writer of each."""

from collections.abc import Sequence

import pandas as pd

_SIGNS = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "±": r"$\pm$", "−": "$-$", "µ": r"$\mu$"}
_SIGNS |= {"–": "--", "Δ": r"$\Delta$", "<": "$<$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def markdown_table(cells: pd.DataFrame) -> str:
    """A table of text in Markdown: the first column to the left, the others to the right."""
    rows = [[_cell(text) for text in row] for row in cells.to_numpy().tolist()]
    rule = ["---", *["---:"] * (len(cells.columns) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (list(cells.columns), rule, *rows)) + "\n"


def latex_table(
    cells: pd.DataFrame, caption: str, label: str, *, heads: Sequence[str] = (), groups: Sequence[tuple[str, int]] = ()
) -> str:
    """A table of text as a LaTeX float; needs the package booktabs.

    `heads` stand in for the names of the columns, `groups` (title, number of columns) above them.
    """
    heads = list(heads or cells.columns)
    lines = [r"\begin{table*}", r"\centering\small", rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule"]
    if groups:
        lines.append(" & ".join(rf"\multicolumn{{{n}}}{{c}}{{{tex(title)}}}" for title, n in groups) + r" \\")
        starts = [1 + sum(n for _, n in groups[:place]) for place in range(len(groups))]
        rules = [f"{start}-{start + n - 1}" for start, (_, n) in zip(starts, groups, strict=True)]
        lines.append("".join(rf"\cmidrule(lr){{{rule}}}" for rule in rules))
    lines += [_tex_row(heads), r"\midrule", *map(_tex_row, cells.to_numpy().tolist()), r"\bottomrule"]
    lines += [r"\end{tabular}", rf"\caption{{{tex(caption)}}}", rf"\label{{{label}}}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    """`text` with what LaTeX reads otherwise escaped."""
    return "".join(_SIGNS.get(sign, sign) for sign in str(text))


def _cell(text: object) -> str:
    return str(text).replace("*", r"\*").replace("|", r"\|")


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(tex, cells)) + r" \\"
