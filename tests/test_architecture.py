"""Imports only descend: a module imports from its own package or from a lower floor, lazy imports included."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"backends", "errors", "files", "leaf_ops", "memory", "native", "plugins", "spans", "records"},
    {"neurons", "scan", "data", "metrics"},
    {"layers", "instrumentation"},
    {"models"},
    {"training", "energy"},
    {"plots", "reporting", "doctor", "command"},
    {"studies"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
FILES = sorted((ROOT / "snnvtg").rglob("*.py"))


def imported_parts(file: Path) -> set[str]:
    """First-level parts of snnvtg that a file imports, anywhere in it."""
    parts = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("snnvtg."):
            parts.add(node.module.split(".")[1])
        if isinstance(node, ast.Import):
            parts |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("snnvtg.")}
    return parts


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_descend(file):
    own = file.relative_to(ROOT / "snnvtg").with_suffix("").parts[0]
    if own == "__init__":
        assert not imported_parts(file)
        return
    for part in imported_parts(file) - {own}:
        assert FLOOR[part] < FLOOR[own] or {part, own} <= FLOORS[0], f"{file.name} on floor {FLOOR[own]} imports {part}"


def test_every_part_has_a_floor():
    parts = {file.relative_to(ROOT / "snnvtg").with_suffix("").parts[0] for file in FILES} - {"__init__"}
    assert parts == set(FLOOR)
