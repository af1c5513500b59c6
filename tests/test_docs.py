"""What README and the pages of docs/ show in Python runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def blocks(page: Path) -> list[tuple[int, str]]:
    """(line, source) of each Python block of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def run(page: Path, chosen: list[tuple[int, str]]) -> None:
    """Run blocks one after the other, as one program; a traceback names the page and its line."""
    names: dict = {"__name__": page.stem}
    for line, source in chosen:
        exec(compile("\n" * (line - 1) + source, page, "exec"), names)


def test_the_page_for_those_who_come_from_other_libraries(capsys):
    pytest.importorskip("spikingjelly")
    page = ROOT / "docs/coming_from_snntorch_and_spikingjelly.md"
    assert len(blocks(page)) >= 8
    run(page, blocks(page))
    assert re.fullmatch(r"[\d.e-]+ µJ\n", capsys.readouterr().out)
