"""What a user gets wrong about models, sweeps and settings: one line with the place and the known names, exit status 2,
and nothing trained."""

import json

import pytest

HEAD = "name: mine\ntitle: Mine\nseeds: [0]\n"
MODEL = """
from dataclasses import dataclass
from snnvtg.models import GroundingModel
@dataclass(frozen=True)
class Config:
    width: int = 4
"""
DEFINED = "    config_class = Config\n    def forward(self, batch): ...\n"
WHOLE = DEFINED + "    def losses(self, output, batch): ...\n    def predict(self, output, batch): ...\n"


@pytest.fixture
def refused(command, quick, monkeypatch, tmp_path, capsys):
    """Run a command that has to fail; its one line."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        status = command(name, *quick, *arguments)
        said = capsys.readouterr().err.splitlines()
        assert status == 2, said
        assert len(said) == 1 and said[0].startswith("error: "), said
        assert not [*tmp_path.rglob("*.pt"), *tmp_path.rglob("*.csv")]
        return said[0].removeprefix("error: ")

    return run


@pytest.fixture
def written(tmp_path, request):
    """Write a user's module, named after the test so that none was imported before; how --model names its class."""

    def write(text, name="Mine"):
        file = tmp_path / f"{request.node.name.replace('[', '_').replace(']', '').replace('-', '_')}.py"
        file.write_text(text)
        return f"{file.name}:{name}"

    return write


@pytest.fixture
def detr(mine):
    return f"{mine / 'detr.py'}:Detr"


@pytest.mark.parametrize("command_name", ["train", "timestep_sweep", "ablation"])
def test_an_unknown_model(refused, command_name):
    said = refused(command_name, "--model", "spikembra")
    assert said.startswith("no model 'spikembra'; known: mamfusion, mrnet, r2_tuning, spikemba, ")
    assert "transformer; or name yours as module:OBJECT" in said


def test_a_model_in_a_file_that_is_not_there(refused):
    assert (
        refused("train", "--model", "nowhere.py:Mine") == "nowhere.py:Mine: no file nowhere.py; expected FILE.py:OBJECT"
    )


def test_a_model_in_a_package_that_is_not_installed(refused):
    said = refused("train", "--model", "no_such_package.models:Mine")
    assert said.startswith("no_such_package.models:Mine: cannot be imported (ModuleNotFoundError: ")


def test_a_model_whose_file_cannot_be_imported(refused, written):
    place = written("import snnvtg\nraise RuntimeError('no licence\\nfor this')\n")
    assert refused("train", "--model", place) == f"{place}: cannot be imported (RuntimeError: no licence)"


def test_a_model_whose_file_is_not_python(refused, written):
    place = written("class Mine(:\n")
    assert refused("train", "--model", place).startswith(f"{place}: cannot be imported (SyntaxError: ")


def test_a_class_that_the_file_has_not(refused, written):
    place = written(MODEL, "Yours")
    assert "has no 'Yours'; it has " in (said := refused("train", "--model", place)) and "Config" in said


def test_something_else_than_a_model(refused, written):
    place = written("class Mine: pass\n")
    assert f"{place}: expected a subclass of snnvtg.models.GroundingModel" in refused("train", "--model", place)


@pytest.mark.parametrize("command_name", ["train", "ablation"])
def test_a_model_that_lacks_parts_of_the_contract(refused, written, command_name):
    place = written(MODEL + "class Mine(GroundingModel):\n" + DEFINED)
    said = refused(command_name, "--model", place)
    assert said == f"{place}: Mine lacks losses, predict of the contract for models"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (None, "Mine lacks config_class, a frozen dataclass of its settings"),
        ("dict", "config_class of Mine is no frozen dataclass"),
        ("Loose", "config_class of Mine is no frozen dataclass"),
        ("Needing", "config_class of Mine has settings without a default: depth"),
        ("Listing", "config_class of Mine has a setting that cannot be hashed"),
    ],
)
def test_a_model_whose_settings_are_no_frozen_dataclass(refused, written, config, reason):
    classes = (
        "from dataclasses import field\n"
        "@dataclass\nclass Loose:\n    width: int = 4\n"
        "@dataclass(frozen=True)\nclass Needing:\n    depth: int\n"
        "@dataclass(frozen=True)\nclass Listing:\n    strides: list[int] = field(default_factory=list)\n"
    )
    line = f"    config_class = {config}\n" if config else ""
    place = written(MODEL + classes + "class Mine(GroundingModel):\n" + line + WHOLE.partition("\n")[2])
    assert refused("train", "--model", place).startswith(f"{place}: {reason}")


def test_a_model_that_is_not_made_of_a_config_and_two_widths(refused, written):
    place = written(MODEL + "class Mine(GroundingModel):\n    def __init__(self, width): ...\n" + WHOLE)
    said = refused("train", "--model", place)
    assert said.startswith(
        f"{place}: Mine(config, video_width, text_width) cannot be called; its __init__ takes (width)"
    )


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("model.widht=8", "no such setting; known here: width, num_heads, num_queries, costs, no_object"),
        ("modle.width=8", "no such setting; known here: model, training, data, inference"),
        ("model.width=wide", "expected a whole number"),
        ("model.costs=1,x,3", "expected a number"),
        ("model.costs=1,2", "costs: expected three weights, got 2"),
        ("model.no_object=some", "expected a number or none"),
        ("training.epochs=0", "epochs: expected a number from 1 to 1000000, got 0"),
        ("training.optimiser=sgd", "expected one of adam, adamw"),
        ("inference.num_timesteps=0", "inference.num_timesteps: expected at least 1, got 0"),
        ("model.width", "expected KEY=VALUE, as training.epochs=10"),
    ],
)
def test_a_setting_that_does_not_exist_or_fit(refused, detr, setting, reason):
    said = refused("train", "--model", detr, "--set", setting)
    assert said.startswith("--set ") and setting in said and said.endswith(reason)


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("model.costs=1,2,4", "costs", [1.0, 2.0, 4.0]),
        ("model.costs=[1, 2, 4]", "costs", [1.0, 2.0, 4.0]),
        ("model.no_object=none", "no_object", None),
        ("model.no_object=0.5", "no_object", 0.5),
    ],
)
def test_lists_and_optional_settings_are_taken(command, quick, detr, tmp_path, setting, name, value):
    assert command("train", "--model", detr, *quick, "--set", setting, "--out", tmp_path) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["config"]["model"][name] == value


def test_time_steps_of_a_model_that_has_none(refused, detr):
    assert refused("timestep_sweep", "--model", detr).startswith(
        "Detr has no time steps (no setting model.num_timesteps)"
    )
    said = refused("train", "--model", detr, "--set", "inference.num_timesteps=4")
    assert said == "inference.num_timesteps: Detr has no time steps; leave it out"


@pytest.mark.parametrize("metric", ["MR-full-mAP", "SumR"])
def test_an_epoch_chosen_by_a_figure_the_data_set_has_not(refused, detr, metric):
    said = refused("train", "--model", detr, "--set", f"training.select_on={metric}")
    assert said == f"training.select_on is '{metric}'; figures of moments: R1@0.3, R1@0.5, R1@0.7, mIoU"


def test_an_epoch_of_a_retrieval_model_chosen_by_a_figure_of_grounding(refused, mine):
    said = refused("train", "--model", f"{mine / 'retrieval.py'}:Retrieval", "--set", "training.select_on=mIoU")
    assert said == "training.select_on is 'mIoU'; figures of moments: R@1, R@5, R@10, R@100, SumR"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("rows:\n  a: {}\n  b: {model.widht: 8}\n", "6: row 'b': model.widht=8: no such setting; known here: width, "),
        ("rows:\n  a: {model.width: wide}\n", "5: row 'a': model.width=wide: expected a whole number"),
        ("rows:\n  a: {model.costs: [1, 2]}\n", "5: row 'a': model.costs=[1,2]: costs: expected three weights"),
        (
            "rows:\n  a: {width: 8}\n",
            "5: row 'a': unknown key 'width'; known: model, preset, or a setting as model.NAME",
        ),
        ("rows:\n  a: {model: spikembra}\n", "5: row 'a': no model 'spikembra'; known: mamfusion, mrnet"),
        (
            "grid:\n  training.epochs: [1, many]\n",
            "5: row 'epochs=many': training.epochs=many: expected a whole number",
        ),
        (
            "rows:\n  a: {}\ncontrols: [shuffled-qeury]\n",
            "6: no control 'shuffled-qeury'; known: shuffled-query, other-",
        ),
        ("rows:\n  a: {}\nreference: b\n", "6: reference: no row 'b'; known: a"),
        ("rows:\n  a: {\n", "6: not YAML: "),
        ("", "1: no rows; declare rows, grid or both"),
    ],
)
def test_a_sweep_that_says_something_unknown_names_file_and_line(refused, detr, tmp_path, body, said):
    (tmp_path / "mine.yaml").write_text(HEAD + body)
    assert refused("ablation", "--model", detr, "--sweeps", "mine.yaml").startswith(f"mine.yaml:{said}")


def test_a_row_whose_figure_the_data_set_has_not(refused, detr, tmp_path):
    (tmp_path / "mine.yaml").write_text(HEAD + "rows:\n  a: {}\n  b: {training.select_on: mAP}\n")
    said = refused("ablation", "--model", detr, "--sweeps", "mine.yaml")
    known = "figures of moments: R1@0.3, R1@0.5, R1@0.7, mIoU"
    assert said == f"mine.yaml:6: row 'b': training.select_on is 'mAP'; {known}"
    said = refused("ablation", "--model", detr, "--sweeps", "mine.yaml", "--set", "training.select_on=SumR")
    assert said == f"training.select_on is 'SumR'; {known}"


def test_a_sweep_that_is_not_there(refused, detr):
    assert refused("ablation", "--model", detr, "--sweeps", "table5") == "--sweeps: no file 'table5', and Detr has none"
    known = "figure3, looking, neuron"
    assert known in refused("ablation", "--sweeps", "table5")


def test_a_control_that_is_not_there(refused, detr, tmp_path):
    (tmp_path / "mine.yaml").write_text(HEAD + "rows: {a: {}}\n")
    said = refused("ablation", "--model", detr, "--sweeps", "mine.yaml", "--controls", "blindfold")
    assert said.startswith("--controls: no control 'blindfold'; known: shuffled-query, other-video, shuffled-clips")


def test_an_axis_that_is_not_there(refused, mine, tmp_path):
    spiking = f"{mine / 'detr.py'}:SpikingDetr"
    said = refused("timestep_sweep", "--model", spiking, "--grid", "model.depth=1,2")
    assert said.startswith("--grid: row 'num_timesteps=1 depth=1': model.depth=1: no such setting; known here: width, ")


@pytest.mark.parametrize("model", ["detr.py:Detr", "retrieval.py:Retrieval"])
def test_an_energy_report_with_a_figure_the_data_set_has_not(command, quick, moments, mine, tmp_path, capsys, model):
    place = f"{mine}/{model}"
    assert command("train", "--model", place, *quick, "--out", tmp_path / "run") == 0
    capsys.readouterr()
    asked = ("--checkpoint", tmp_path / "run" / "best.pt", "--model", place, "--data", moments)
    assert command("energy_report", *asked, "--metric", "MR-full-mAP", "--out", tmp_path / "energy") == 2
    assert capsys.readouterr().err.startswith("error: --metric is 'MR-full-mAP'; figures of moments: R")
    assert not (tmp_path / "energy").exists()
