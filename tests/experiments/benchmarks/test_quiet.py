"""Benchmarks print what they measured, and nothing that libraries have to say."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import quiet

SCRIPTS = Path(quiet.__file__).parent
WARNS = "def warn():\n    import warnings\n    warnings.warn('said', stacklevel=1)\n"


@pytest.mark.parametrize(("module", "said"), [("snnvtg.part", 1), ("snnvtg", 1), ("snnvtgs", 0), ("torch.part", 0)])
def test_only_this_package_warns(module, said, monkeypatch):
    monkeypatch.setenv("KINETO_LOG_LEVEL", "3")
    monkeypatch.setattr(logging.root.manager, "disable", 0)
    place = {"__name__": module}
    exec(WARNS, place)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        quiet.silence_libraries()
        place["warn"]()
    assert len(caught) == said
    assert not logging.getLogger("torch").isEnabledFor(logging.WARNING)


def test_a_whole_benchmark_writes_nothing_but_its_progress_to_stderr(tmp_path):
    options = ["--shapes", "2x2x3x8", "--repeats", "1", "--backends", "torch", "--out", tmp_path / "t.csv"]
    done = subprocess.run([sys.executable, SCRIPTS / "lif.py", *options], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith(("memory:", "time:"))] == []


def test_every_script_starts_that_way():
    scripts = [path for path in SCRIPTS.glob("*.py") if "__main__" in path.read_text()]
    assert len(scripts) >= 7
    assert [path.name for path in scripts if "from quiet import run" not in path.read_text()] == []
