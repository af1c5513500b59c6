"""From an installed wheel, outside the repository: commands, sweeps, cost tables and C++ sources are all there."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "snnvtg"
pytestmark = pytest.mark.slow


PIP = (sys.executable, "-m", "pip")
COMMIT = ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "theirs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built from a copy: a build folder left in the checkout would be packed too."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(PACKAGE, folder / "source" / "snnvtg", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    build = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    subprocess.run([*PIP, "wheel", "--quiet", folder / "source", *build], check=True)
    return next(folder.glob("snnvtg-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a command with the wheel in a folder of another project's repository; what it printed."""
    project = tmp_path_factory.mktemp("their_project")
    site = project / "env"
    subprocess.run([*PIP, "install", "--quiet", "--no-deps", "--target", site, wheel], check=True)
    for arguments in (("init", "-q"), COMMIT):
        subprocess.run(["git", *arguments], cwd=project, check=True)

    def run(*command):
        environment = {**os.environ, "PYTHONPATH": str(site)}
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr, project

    run.site = site
    return run


def test_every_file_that_is_no_python_is_in_the_wheel(wheel):
    there = {str(p.relative_to(ROOT)) for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("snnvtg/")}
    assert packed == there
    suffixes = {Path(name).suffix for name in packed}
    assert suffixes == {".py", ".cpp", ".hpp", ".json", ".yaml", ".pt", ".npz", ".txt", ".j2", ".css", ".js"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("--help",), "timestep-sweep"),
        (("timestep-sweep", "--help"), "--timesteps"),
        (("ablation", "--sweeps", "table4", "--help"), "--sweeps"),
    ],
)
def test_the_commands_start(installed, arguments, shown):
    for command in ([sys.executable, "-m", "snnvtg"], [str(installed.site / "bin" / "snnvtg")]):
        status, said, _ = installed(*command, *arguments)
        assert status == 0 and shown in said


def test_a_models_own_sweeps_are_found(installed):
    status, said, _ = installed(sys.executable, "-m", "snnvtg", "ablation", "--sweeps", "table5")
    known = sorted(path.stem for path in (PACKAGE / "models/spikemba/sweeps").glob("*.yaml"))
    assert status == 2 and f"SpikeMba has {', '.join(known)}\n" in said


def test_a_model_is_trained_and_provenance_names_no_commit_of_another_project(installed):
    settings = ("training.epochs=1", "data.synthetic.num_train=25", "data.synthetic.num_val=4", "model.width=16")
    chosen = [part for setting in settings for part in ("--set", setting)]
    status, said, project = installed(sys.executable, "-m", "snnvtg", "train", *chosen, "--out", "run")
    assert status == 0, said
    written = json.loads((project / "run" / "metrics.json").read_text())
    assert written["commit"] == "unknown (not a git checkout)"
    assert written["command"].startswith("snnvtg train --set training.epochs=1")


def test_cost_tables_and_published_figures_are_read_from_the_wheel(installed):
    lines = (
        "import snnvtg, snnvtg.energy as energy, snnvtg.models as models",
        "print(snnvtg.__file__, *models.model_class('spikemba').published(), *energy.COST_MODELS)",
    )
    status, said, _ = installed(sys.executable, "-c", "; ".join(lines))
    file, *names = said.split()
    assert status == 0 and file == str(installed.site / "snnvtg" / "__init__.py")
    tables = {path.stem for path in (PACKAGE / "energy" / "costs" / "tables").glob("*.json")}
    assert {"ablation_table4", "figure3", *tables} <= set(names)


def test_the_first_steps_of_readme_work_from_the_wheel(installed):
    shown = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (source,) = [block for block in shown if "snnvtg.load_data()" in block]
    status, said, _ = installed(sys.executable, "-c", source)
    assert status == 0 and said.splitlines()[0].endswith(" µJ"), said


def test_a_first_question_is_answered_from_the_wheel(installed):
    status, said, project = installed(sys.executable, "-m", "snnvtg", "ground")
    assert status == 0 and "a demo: a synthetic video" in said, said
    assert (project / "ground.png").is_file()
