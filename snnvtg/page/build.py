"""The page as one string of HTML: the same files give the same bytes."""

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from snnvtg.page.drawings import drawings
from snnvtg.page.findings import five_sentences
from snnvtg.page.origins import origin
from snnvtg.page.recordings import read_recordings
from snnvtg.page.sections import sections
from snnvtg.page.sources import read_sources
from snnvtg.page.svg import inline_svg


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
        recordings=[_embedded(content) for content in read_recordings(folder).values()],
    )


def _embedded(content: object) -> Markup:
    """JSON that can stand in a script element: no `</` in it, whatever a text says."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
