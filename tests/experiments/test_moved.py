"""A command that moved says at its old place what to run instead."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
NEW = runpy.run_path(str(EXPERIMENTS / "moved.py"))["NEW"]


@pytest.mark.parametrize("old", NEW)
def test_the_old_place_names_the_new_command(old):
    assert (EXPERIMENTS / NEW[old].split()[0]).is_file()
    done = subprocess.run([sys.executable, EXPERIMENTS / f"{old}.py", "--out", "a b"], capture_output=True, text=True)
    said = f"error: experiments/{old}.py has moved; run: python experiments/{NEW[old]} --out 'a b'\n"
    assert (done.returncode, done.stderr) == (2, said)
