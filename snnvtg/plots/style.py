"""One look for every figure."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl

BLUE, ORANGE, GREEN, RED, GREY, PURPLE = "#2563a8", "#d9772b", "#3a8f5c", "#b8383b", "#6b7280", "#7b5aa6"
INK = "#1f2933"
LOOKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D"), (RED, "v"))
"""colour and marker of the first, second, … line"""

_SETTINGS = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of the toolkit's figures, within the block."""
    with mpl.rc_context(_SETTINGS):
        yield
