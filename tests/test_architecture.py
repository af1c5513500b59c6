"""Imports only descend, lazy imports included; and nobody above the models knows one of them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "snnvtg"
FLOORS = [
    {
        "backends",
        "claims",
        "errors",
        "files",
        "interrupts",
        "lazy",
        "leaf_ops",
        "leases",
        "markup",
        "memory",
        "native",
        "operator_checks",
        "plugins",
        "records",
        "reporting",
        "terminal",
    }
    | {"windows"},
    {"neurons", "scan", "data", "metrics"},
    {"layers", "instrumentation"},
    {"models"},
    {"training", "energy"},
    {"plots"},
    {"sweeps", "applications"},
    {"page"},
    {"cli", "doctor", "surface"},
    {"__main__"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
FILES = sorted(PACKAGE.rglob("*.py"))
REGISTRY = PACKAGE / "models/__init__.py"
MODELS = sorted(path.name for path in (PACKAGE / "models").iterdir() if (path / "network.py").is_file())
BENCHMARKS = ROOT / "experiments/benchmarks"
GPU_CHECKS = ROOT / "experiments/gpu_checks.py"  # names what it checks


def imported(tree: ast.AST) -> set[str]:
    """Modules of snnvtg that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "snnvtg":
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name.startswith("snnvtg.")}
    return modules


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_descend(file):
    own, parts = part_of(file), {module.split(".")[1] for module in imported(ast.parse(file.read_text()))}
    parts &= FLOOR.keys()  # `from snnvtg import __version__` is no part
    if own == "__init__":
        assert parts == {"lazy"}
        return
    for part in parts - {own}:
        assert FLOOR[part] < FLOOR[own] or {part, own} <= FLOORS[0], f"{file.name} on floor {FLOOR[own]} imports {part}"


def test_every_part_has_a_floor():
    assert {part_of(file) for file in FILES} - {"__init__"} == set(FLOOR)


def test_the_library_never_imports_from_experiments():
    for file in FILES:
        names = {a.name for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Import) for a in n.names}
        assert not any(name.split(".")[0] == "experiments" for name in names), file


def words_of(tree: ast.AST) -> set[str]:
    """Every name, attribute, imported module and string of a file; docstrings are no strings of the program."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words |= set(node.value.replace("/", " ").replace(".", " ").replace(":", " ").split())
    return words | {part for module in imported(tree) for part in module.split(".")}


def knows(file: Path, model: str) -> set[str]:
    """What a file says of a model: its folder's name, its classes, parts of its network."""
    classes = {
        node.name
        for source in (PACKAGE / "models" / model).glob("*.py")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    return words_of(ast.parse(file.read_text())) & (classes | {model, "project_vis", "project_tex"})


OUTSIDE = [file for file in FILES if not file.is_relative_to(PACKAGE / "models") or file == REGISTRY]
OUTSIDE += [
    file
    for file in sorted((ROOT / "experiments").rglob("*.py"))
    if not file.is_relative_to(BENCHMARKS) and file != GPU_CHECKS
]


@pytest.mark.parametrize("file", OUTSIDE, ids=lambda file: str(file.relative_to(ROOT)))
def test_nobody_above_the_models_knows_one(file):
    found = set().union(*(knows(file, model) for model in MODELS))
    if file == REGISTRY:  # the one place that says which model a command takes where none is named
        from snnvtg.models import DEFAULT_MODEL

        found -= {DEFAULT_MODEL}
    assert not found, f"{file.name} knows {', '.join(sorted(found))}"


def test_models_do_not_know_one_another():
    for model in MODELS:
        for file in sorted((PACKAGE / "models" / model).glob("*.py")):
            others = {m.split(".")[2] for m in imported(ast.parse(file.read_text())) if m.startswith("snnvtg.models.")}
            assert not others & set(MODELS) - {model}, file


def test_a_file_that_knows_a_model_would_be_found(tmp_path):
    for line in ('train("spikemba", data)', "from snnvtg.models.spikemba import MODEL", "model.project_vis.fit(x)"):
        (tmp_path / "file.py").write_text(line)
        assert any(knows(tmp_path / "file.py", model) for model in MODELS), line
