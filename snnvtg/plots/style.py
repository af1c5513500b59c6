"""One look for every figure: the same colour for the same thing, told apart by colour-blind readers as well.

The colours are Okabe and Ito's, two of Tol's beside them. Where a figure compares a spiking network with its twins or
says what energy is spent on, colours mean something (`SPIKING`, `DENSE`, `QUANTISED`); lines that stand for settings
take `LOOKS`, which shares none of the three.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl

BLUE, ORANGE, GREEN, RED, GREY, PURPLE = "#0072b2", "#d55e00", "#009e73", "#882255", "#6b7280", "#cc79a7"
INDIGO, AMBER, SKY = "#4b3f9e", "#e69f00", "#56b4e9"
INK, GRID = "#1f2933", "#e5e7eb"
SPIKING, DENSE, QUANTISED = ORANGE, BLUE, GREEN
LOOKS = ((INDIGO, "o"), (AMBER, "s"), (SKY, "^"), (PURPLE, "D"), (RED, "v"), (GREY, "P"))
"""colour and marker of the first, second, … line"""
THEMED = {
    INK: "ink",
    GRID: "grid",
    GREY: "muted",
    "#ffffff": "paper",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    RED: "wine",
    PURPLE: "pink",
    INDIGO: "indigo",
    AMBER: "amber",
    SKY: "sky",
}
"""colours that a page shows otherwise on a dark ground, by the name they have there"""

_SETTINGS = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "font.size": 12,
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.titlesize": 13.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 2.0,
    "lines.markersize": 7,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of the toolkit's figures, within the block."""
    with mpl.rc_context(_SETTINGS):
        yield
