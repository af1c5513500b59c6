"""What a user's model imports shapes it, and no file on disk decides what code from outside is imported."""

import json
import sys

import pytest

from snnvtg.models import model_class
from snnvtg.sweeps import runs
from snnvtg.sweeps.comparison import published_figures

MODEL = """
from dataclasses import dataclass
from snnvtg.models import GroundingModel
{imports}
@dataclass(frozen=True)
class Config:
    width: int = 4
class Mine(GroundingModel):
    config_class = Config
    def forward(self, batch): ...
    def losses(self, output, batch): ...
    def predict(self, output, batch): ...
"""


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Names of the user's own files that shape a model of theirs."""
    monkeypatch.syspath_prepend(tmp_path)

    def find(place):
        runs._source.cache_clear()
        files = runs.imported_files(("snnvtg.training.loop", model_class(place).__module__))
        return {str(file.relative_to(tmp_path)) for file in files if file.is_relative_to(tmp_path)}

    return find


def test_a_single_file_is_shaped_by_what_lies_beside_it_and_is_imported(imported, tmp_path):
    (tmp_path / "outside_single.py").write_text(MODEL.format(imports="import outside_beside, json"))
    (tmp_path / "outside_beside.py").write_text("def layer():\n    from outside_lazy import gate\n")
    (tmp_path / "outside_lazy.py").write_text("gate = 1\n")
    (tmp_path / "outside_unused.py").write_text("")
    shaped_by = imported(f"{tmp_path / 'outside_single.py'}:Mine")
    assert shaped_by == {"outside_single.py", "outside_beside.py", "outside_lazy.py"}


def test_a_package_is_shaped_by_what_it_imports_of_itself_relative_imports_included(imported, tmp_path):
    for name, text in {
        "__init__": "",
        "models/__init__": "",
        "models/mine": MODEL.format(imports="from ..layers import gate\nfrom .heads import head"),
        "layers": "from outside_package import constants\ngate = 1\n",
        "constants": "",
        "models/heads": "head = 1\n",
        "models/other": "",
    }.items():
        file = tmp_path / "outside_package" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    shaped_by = imported("outside_package.models.mine:Mine")
    expected = {"__init__", "layers", "constants", "models/mine", "models/heads"}
    assert shaped_by == {f"outside_package/{name}.py" for name in expected}


def test_an_edited_neighbour_is_another_model(imported, tmp_path):
    (tmp_path / "outside_edited.py").write_text(MODEL.format(imports="import outside_neighbour"))
    (tmp_path / "outside_neighbour.py").write_text("gain = 1\n")
    recipe = model_class(f"{tmp_path / 'outside_edited.py'}:Mine").recipe("demo")
    before = runs.shaping_code(recipe)
    (tmp_path / "outside_neighbour.py").write_text("gain = 2\n")
    runs.code_digest.cache_clear()
    assert runs.shaping_code(recipe) != before


def test_a_table_does_not_decide_what_is_imported(tmp_path, monkeypatch):
    (tmp_path / "outside_table.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    provenance = json.loads('{"identity": {"model": "outside_table:Mine"}}')
    assert published_figures(provenance, "mine") is None
    assert "outside_table" not in sys.modules


def test_a_model_tells_its_published_figures_from_the_file_beside_it(tmp_path):
    (tmp_path / "outside_published.py").write_text(MODEL.format(imports=""))
    (tmp_path / "published.yaml").write_text("mine: {short: mine}\n")
    cls = model_class(f"{tmp_path / 'outside_published.py'}:Mine")
    provenance = {"identity": {"model": f"{cls.__module__}:Mine"}}
    assert published_figures(provenance, "mine") == {"short": "mine"}


def test_an_installed_entry_point_is_a_model_by_name(quick, command, moments, mine, tmp_path, monkeypatch, capsys):
    (tmp_path / "outside_plugin.py").write_text((mine / "detr.py").read_text())
    (tmp_path / "outside_plugin-1.0.dist-info").mkdir()
    for name, text in {
        "METADATA": "Metadata-Version: 2.1\nName: outside-plugin\nVersion: 1.0\n",
        "entry_points.txt": "[snnvtg.models]\nmydetr = outside_plugin:Detr\n",
    }.items():
        (tmp_path / "outside_plugin-1.0.dist-info" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert command("train", "--model", "mydert", *quick) == 2
    assert "spikemba_retrieval, transformer, mydetr" in capsys.readouterr().err
    assert command("train", "--model", "mydetr", *quick, "--out", tmp_path / "run") == 0
    asked = ("--checkpoint", tmp_path / "run" / "best.pt", "--data", moments, "--out", tmp_path / "answers.jsonl")
    assert command("predict", *asked) == 2
    assert command("predict", *asked, "--model", "mydetr") == 0
