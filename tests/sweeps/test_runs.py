"""A trained model is found again by what shaped it, and by nothing else."""

from pathlib import Path

import pytest

import snnvtg
from snnvtg.models import model_class
from snnvtg.sweeps.runs import imported_files, shaping_code

PACKAGE = Path(snnvtg.__file__).parent


def shaping(name):
    modules = ("snnvtg.training.loop", model_class(name).__module__)
    return {str(file.relative_to(PACKAGE)) for file in imported_files(modules)}


def test_what_shapes_a_model_is_what_its_training_imports_at_any_depth():
    files = shaping("spikemba")
    assert {"training/loop.py", "models/spikemba/detector.py", "models/clipwise/losses.py"} <= files
    assert {"neurons/backends/torch_ops.py", "scan/selective.py", "data/dataset.py", "metrics/recall.py"} <= files


@pytest.mark.parametrize("part", ["energy", "sweeps", "plots", "cli", "applications", "instrumentation"])
def test_what_only_looks_at_a_model_does_not_shape_it(part):
    assert not any(file.startswith(f"{part}/") for file in shaping("spikemba"))


def test_one_models_code_does_not_shape_another():
    assert not any("spikemba" in file for file in shaping("transformer"))
    assert not any("transformer" in file for file in shaping("spikemba"))


def test_a_changed_kernel_is_another_model(monkeypatch):
    recipe = model_class("spikemba").recipe("demo")
    before = shaping_code(recipe)
    read = Path.read_bytes

    def edited(path):
        return read(path) + (b"// changed" if path.name == "selective_scan.cpp" else b"")

    from snnvtg.sweeps import runs

    monkeypatch.setattr(Path, "read_bytes", edited)
    runs.code_digest.cache_clear()
    try:
        assert shaping_code(recipe) != before
    finally:
        monkeypatch.undo()
        runs.code_digest.cache_clear()
