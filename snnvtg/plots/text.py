"""Text of users in figures: drawn as it is, in fonts that have its letters, and never longer than a title may be."""

import unicodedata
from collections.abc import Sequence
from functools import cache

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font

LINES, CELLS = 3, 100
"""of a title: lines, and letters in each; a Chinese letter is as wide as two"""
LABEL = 60
"""letters of a label"""
NO_LETTERS = ("Last Resort", "STIX", "cm", "DejaVu Math")
"""fonts of boxes and of mathematics: not for words"""


def plain(text: str) -> str:
    """`text` as matplotlib draws it letter by letter: no mathematics between dollars, no line breaks or controls."""
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    return " ".join(spaced.split()).replace("$", r"\$")


def label(text: str) -> str:
    """`text` as `plain`, shortened to what stands beside an axis."""
    shown = plain(text)
    return shown if len(shown) <= LABEL else f"{shown[: LABEL - 2]} …"


def titled(figure: Figure, text: str) -> None:
    """Head the figure with `text`, as `plain`, wrapped, shortened, and in fonts that have its letters."""
    shown = readable(text)
    figure.suptitle(plain_lines(shown), fontweight="bold", fontfamily=families(shown))


def plain_lines(text: str) -> str:
    """`text` as `plain` in at most LINES lines of CELLS letters, ending in … where that is not all of it."""
    lines, line = [], ""
    for word in _words(" ".join(plain(text).split())):
        longer = f"{line} {word}".strip()
        if _cells(longer) <= CELLS:
            line = longer
            continue
        lines.append(line)
        line = word
        if len(lines) == LINES:
            return "\n".join(lines) + " …"
    return "\n".join([*lines, line])


def _words(text: str) -> list[str]:
    """Words of `text`; those longer than a line in pieces, and no more of them than a title can hold."""
    pieces: list[str] = []
    for word in text[: 4 * LINES * CELLS].split(" "):
        size = CELLS // 2 if _cells(word) > CELLS else len(word) or 1
        pieces += [word[i : i + size] for i in range(0, len(word), size)]
    return pieces


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def readable(text: str) -> str:
    """`text` with each letter that no installed font has as its code point: U+4E2D."""
    lacking = set(missing(text))
    shown = (f" U+{ord(letter):04X} " if letter in lacking else letter for letter in text)
    return " ".join("".join(shown).split()) if lacking else text


def missing(text: str) -> list[str]:
    """The letters of `text` that no installed font has, each once."""
    return _chosen(_letters(text))[1]


def families(text: str) -> list[str]:
    """Fonts that together have the letters of `text`, the usual one first."""
    return _chosen(_letters(text))[0]


def _letters(text: str) -> tuple[str, ...]:
    shown = [letter for letter in text if unicodedata.category(letter)[0] not in "CZ"]
    return tuple(dict.fromkeys(shown[: 4 * LINES * CELLS]))


@cache
def _chosen(letters: Sequence[str]) -> tuple[list[str], list[str]]:
    """Fonts for `letters`, each the one that has most of what the earlier ones lack; and what none has."""
    usual = list(mpl.rcParams["font.sans-serif"])[:1]
    left = [letter for letter in letters if ord(letter) not in _has(fontManager.findfont(usual[0]))]
    families = [*usual]
    while left:
        counts = {font: sum(ord(letter) in _has(path) for letter in left) for font, path in _installed().items()}
        best = max(counts, key=counts.__getitem__, default="")
        if not counts.get(best):
            break
        families.append(best)
        left = [letter for letter in left if ord(letter) not in _has(_installed()[best])]
    return families, left


@cache
def _installed() -> dict[str, str]:
    """Files of the installed fonts for words, by name; upright and of usual weight where there is a choice."""
    entries = sorted(fontManager.ttflist, key=lambda e: (e.style != "normal", str(e.weight) not in ("400", "normal")))
    found: dict[str, str] = {}
    for entry in entries:
        if not entry.name.startswith(NO_LETTERS):
            found.setdefault(entry.name, entry.fname)
    return found


@cache
def _has(path: str) -> frozenset[int]:
    """The code points of a font file; none of one that matplotlib cannot draw with."""
    try:
        font = FT2Font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()
