"""What README and the pages of docs/ show in Python runs as it stands there."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snnvtg.neurons import SURROGATES

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


@pytest.fixture
def readme_block():
    """The Python block of README that holds these words."""
    found = blocks(ROOT / "README.md")
    return lambda words: next((line, source) for line, source in found if words in source)


SMALL = {
    "snnvtg.load_data()": "snnvtg.load_data(synthetic=snnvtg.SyntheticConfig(num_train=12, num_val=4, num_test=4))",
    '"training.epochs=2"': '"training.epochs=1", "model.width=16", "model.num_blocks=1", "model.num_heads=2"',
}


def test_the_first_steps_of_readme_on_less_data(readme_block, capsys):
    line, source = readme_block("snnvtg.load_data()")
    for shown, less in SMALL.items():
        assert shown in source
        source = source.replace(shown, less)
    run(ROOT / "README.md", [(line, source)])
    rate, energy, unit = capsys.readouterr().out.split()
    assert 0 < float(rate) < 1 and float(energy) > 0 and unit == "µJ"


def test_what_readme_adds_of_ones_own_is_python_that_runs(readme_block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in ("class MyModel", "BACKEND = ", "MINE = "):
        run(ROOT / "README.md", [readme_block(words)])
    (tmp_path / "my_cost.py").write_text(readme_block("class Mine")[1])
    line, source = readme_block("my_cost.py:Mine")
    setting = "import torch\nmodel, x = torch.nn.Linear(2, 3), torch.rand(1, 2)\n"
    run(ROOT / "README.md", [(line - setting.count("\n"), setting + source)])


DOCUMENTED = (
    *("snnvtg.surface", "snnvtg.neurons.module", "snnvtg.neurons.surrogate", "snnvtg.training.loop"),
    *("snnvtg.instrumentation.rates", "snnvtg.instrumentation.rasters"),
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_in_docstrings_give_what_they_say(name):
    module = importlib.import_module(name)
    known = dict(SURROGATES)
    try:
        found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    finally:
        SURROGATES.clear()
        SURROGATES.update(known)
    assert found.attempted and not found.failed


@pytest.mark.slow
def test_the_reference_is_built_from_the_docstrings(tmp_path):
    pytest.importorskip("pdoc")
    parts = ("snnvtg", "snnvtg.neurons", "snnvtg.scan", "snnvtg.energy", "snnvtg.data", "snnvtg.metrics")
    command = [sys.executable, "-m", "pdoc", "-o", str(tmp_path), *parts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "snnvtg.html").read_text(encoding="utf-8")
    assert all(f'id="{name}"' in page for name in ("LIF", "Ledger", "load_data", "train"))
