"""Whatever users write is drawn as they wrote it, in a picture of the usual size."""

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager
from matplotlib.font_manager import FontEntry
from matplotlib.ft2font import FT2Font

from snnvtg.plots import text
from snnvtg.plots.differences import difference_figure
from snnvtg.plots.grounding import grounding_figure
from snnvtg.plots.text import CELLS, LINES, families, label, missing, plain_lines, readable


def picture(title, windows=((2.0, 5.0, 0.9),)):
    """The size of a grounding figure in pixels at 100 a inch, and the title that is drawn on it."""
    spikes = {"block 1, $v$": np.zeros((2, 8, 3))}
    spikes["block 1, $v$"][0, 1, 1] = 1
    figure = grounding_figure(spikes, num_clips=8, clip_length=1.0, windows=windows, saliency=[0.1] * 8, title=title)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that a font lacks is a warning
        figure.canvas.draw()
    return figure.get_figwidth(), figure.get_figheight(), figure._suptitle


@pytest.mark.parametrize(
    "query",
    [
        r"a man $\frac$ runs",
        r"\frac{1}{2} of a $",
        "$5 and $10",
        r"costs \$5",
        "{}^_%#&~",
        "tab\there\nand\x00there\u202e",
        "",
    ],
)
def test_a_query_is_drawn_letter_by_letter(query):
    drawn = picture(f"“{query}” in video")[2]
    tex, is_math = drawn._preprocess_math(drawn.get_text())
    assert not is_math
    shown = "".join(letter if letter.isprintable() else " " for letter in query)
    assert tex == " ".join(f"“{shown}” in video".split())


def test_ten_thousand_words_and_ten_thousand_letters_make_no_larger_picture():
    usual = picture("a man runs")[:2]
    for query in ("word " * 10_000, "w" * 10_000, "字" * 10_000):
        width, height, drawn = picture(query)
        assert (width, height) == usual
        lines = drawn.get_text().splitlines()
        assert len(lines) == LINES and lines[-1].endswith(" …")
        assert all(len(line) <= CELLS + 2 for line in lines)
    many = picture("a man runs", [(0.0, 1.0, 0.5)] * 10_000)
    assert many[1] < 3 * usual[1]


def test_every_word_that_fits_is_there_in_its_order():
    words = [f"word{i}" for i in range(30)]
    assert plain_lines(" ".join(words)).split() == words
    assert plain_lines("") == ""


def test_letters_without_a_font_become_code_points(monkeypatch):
    monkeypatch.setattr(text, "_installed", dict)
    text._chosen.cache_clear()
    try:
        assert missing("a 中文 é") == ["中", "文"]
        assert readable("a 中文 é") == "a U+4E2D U+6587 é"
        assert "U+4E2D" in picture("“打开门 中”")[2].get_text()  # drawn without a warning
        assert readable("plain  words") == "plain  words"
    finally:
        text._chosen.cache_clear()


def test_an_installed_font_that_has_the_letters_is_taken(tmp_path, monkeypatch):
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    builder = FontBuilder(1000, isTTF=True)
    pen = TTGlyphPen(None)
    for point in ((0, 0), (0, 800), (800, 800)):
        (pen.lineTo if point != (0, 0) else pen.moveTo)(point)
    pen.closePath()
    glyph = pen.glyph()
    builder.setupGlyphOrder([".notdef", "middle", "writing"])
    builder.setupCharacterMap({ord("中"): "middle", ord("文"): "writing"})
    builder.setupGlyf(dict.fromkeys((".notdef", "middle", "writing"), glyph))
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", "middle", "writing"), (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Two Letters", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "two.ttf")
    assert FT2Font(str(tmp_path / "two.ttf")).get_charmap()
    entry = FontEntry(fname=str(tmp_path / "two.ttf"), name="Two Letters", weight=400, style="normal", variant="normal")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist, entry])
    caches = (text._chosen, text._installed)
    [cache.cache_clear() for cache in caches]
    try:
        assert families("a 中文")[1:] == ["Two Letters"] and not missing("a 中文")
        assert "中文" in picture("“中文”")[2].get_text()
    finally:
        [cache.cache_clear() for cache in caches]


def test_names_of_rows_are_drawn_as_they_are():
    rows = [r"with $\frac$", "x" * 500]
    table = pd.DataFrame([{"row": row, "metric": "mIoU", "difference": 1.0, "low": 0.0, "high": 2.0} for row in rows])
    table = table.assign(differs=True, p_holm=0.5)
    energy = pd.Series({"preset": 1.0, **dict.fromkeys(rows, 2.0)})
    figure = difference_figure(table, energy, "preset", "$")
    figure.canvas.draw()
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == [r"with \$\frac\$", label("x" * 500)] and len(names[1]) == text.LABEL


def test_tick_labels_of_powers_are_still_mathematics():
    assert mpl.rcParams["text.parse_math"]
