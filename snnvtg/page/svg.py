"""A figure as SVG to stand in a page: the same bytes each time, the page's font, colours that follow light and dark."""

import io
import re

from matplotlib import rc_context
from matplotlib.figure import Figure

from snnvtg.plots.style import THEMED


def inline_svg(figure: Figure, title: str) -> str:
    """The `<svg>` element of a figure; `title` is what a reader who cannot see it is told."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata=_NOTHING)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r' d="([^"]*)"', lambda path: f' d="{_rounded(path.group(1))}"', text)
    text = re.sub(r"font: ([^;\"]*?)px [^;\"]*", r"font: \1px var(--font)", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", text)
    for colour, name in THEMED.items():
        text = text.replace(f": {colour}", f": var(--{name})")
    size = re.search(r'viewBox="([^"]*)"', text).group(1)
    width = float(size.split()[2])
    inner = text[text.index(">") + 1 :]
    head = f'<svg viewBox="{size}" style="max-width: {width * 1.25:.0f}px" role="img" aria-label="{_quoted(title)}"'
    return f'{head} xmlns:xlink="http://www.w3.org/1999/xlink">{inner.strip()}'


_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


def _rounded(path: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number.group()):.2f}".rstrip("0").rstrip("."), path).replace(
        "\n", ""
    )


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
