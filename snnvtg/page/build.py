"""The page as one string of HTML: the same files give the same bytes."""

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from snnvtg.errors import InputError
from snnvtg.page.drawings import drawings
from snnvtg.page.findings import five_sentences
from snnvtg.page.origins import origin
from snnvtg.page.sections import sections
from snnvtg.page.sources import read_sources
from snnvtg.page.svg import inline_svg

EXPLORER = "explorer*.json"
"""what `experiments/explore.py` writes into the reports"""


def page(folder: Path) -> str:
    """The page of a folder of reports; InputError where there is no table in it, or one that cannot be read."""
    sources = read_sources(folder)
    drawn = list(drawings(sources))
    origins = {source.name: origin(source, number) for number, source in enumerate(sources, 1)}
    look = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("snnvtg.page"), autoescape=True, **look)
    environment.filters["svg"] = lambda drawing: Markup(inline_svg(drawing.figure, drawing.title))
    return environment.get_template("page.html.j2").render(
        sentences=five_sentences(sources),
        sections=sections(sources, drawn),
        origins=origins,
        origins_json=_embedded({o.label: o.lines for o in origins.values()}),
        recordings=[_embedded(content) for content in _recordings(folder)],
    )


def _recordings(folder: Path) -> list[dict]:
    found = []
    for path in sorted(folder.rglob(EXPLORER)):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            content = None
        if not (isinstance(content, dict) and content.get("videos")):
            raise InputError(f"{path}: no recording of experiments/explore.py; make it again or move it away")
        found.append(content)
    return found


def _embedded(content: object) -> Markup:
    """JSON that can stand in a script element: no `</` in it, whatever a text says."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
