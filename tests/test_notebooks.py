"""The tours in notebooks/: committed with outputs that a visitor can read. Pytest runs them as well (nbmake)."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
TOURS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
LARGEST = 250_000
"""bytes of a notebook; PNGs of 255 colours (Pillow, `quantize`) are a third as large as those of matplotlib"""
OF_A_MACHINE = re.compile(r"/(?:home|root|tmp|work|usr|opt|Users)/|[A-Z]:\\\\")


def outputs(name: str) -> list[dict]:
    """All outputs of a notebook, in order."""
    cells = json.loads((FOLDER / name).read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("name", TOURS)
def test_every_code_cell_was_run_in_order_and_without_a_warning(name):
    cells = json.loads((FOLDER / name).read_text(encoding="utf-8"))["cells"]
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for output in outputs(name) if output["output_type"] == "error"]
    assert not [output["text"] for output in outputs(name) if output.get("name") == "stderr"]


@pytest.mark.parametrize("name", TOURS)
def test_the_outputs_are_small_and_name_no_machine(name):
    assert (FOLDER / name).stat().st_size < LARGEST
    for output in outputs(name):
        data = {kind: text for kind, text in output.get("data", {}).items() if kind != "image/png"}
        assert not OF_A_MACHINE.search(json.dumps([output.get("text"), data]))


@pytest.mark.parametrize("name", TOURS)
def test_links_between_the_tours_lead_somewhere(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w/.]+\.ipynb)\)", text)) <= set(TOURS)
