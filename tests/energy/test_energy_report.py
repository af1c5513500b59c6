"""The energy report as a user meets it: its files, its words, its errors."""

import dataclasses
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.energy import COST_MODELS
from snnvtg.energy.costs import TABLES
from snnvtg.energy.report import WITHHELD, controls_in_words, report_of
from snnvtg.energy.report_subject import subject_from
from snnvtg.models import Recipe, TrainingConfig
from snnvtg.models.spikemba import SpikeMba
from snnvtg.sweeps.controls import CONTROLS
from snnvtg.training import Checkpoint


@pytest.fixture(scope="module")
def data():
    return generate(SyntheticConfig())


@pytest.fixture
def checkpoint(tiny, data, tmp_path) -> Path:
    torch.manual_seed(0)
    model = SpikeMba(dataclasses.replace(tiny, num_blocks=1), data.video_width, data.text_width)
    saved = Checkpoint(
        recipe=Recipe(SpikeMba, model.config, TrainingConfig(epochs=1, batch_size=4)),
        video_width=data.video_width,
        text_width=data.text_width,
        feature_names=tuple(data.feature_names),
        clip_length=data.clip_length,
        state=model.state_dict(),
        progress={},
    )
    saved.save(tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt"


@pytest.fixture
def report(command, capsys):
    def call(*arguments, fails=False):
        assert command("energy_report", *arguments) == (2 if fails else 0)
        if not fails:
            return capsys.readouterr().out
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return call


def test_a_report_holds_every_model_table_and_figure(report, checkpoint, tmp_path, monkeypatch, data):
    few = dataclasses.replace(data, test=data.test.subset(range(4)))
    monkeypatch.setattr("snnvtg.data.synthetic.generate", lambda config: few)
    out = tmp_path / "energy"
    printed = report("--checkpoint", checkpoint, "--out", out, "--queries", 2, "--timesteps", 1, 2, "--measure")
    assert "priced 100.00% of the executed operations" in " ".join(printed.split())
    _, heading, measured = printed.partition("## Measured on this machine")
    assert heading
    said = " ".join(measured.split())
    if "No energy meter" in said:  # every kind of meter with its reason
        assert "NVML" in said and "RAPL" in said
    models = pd.read_csv(out / "models.csv")
    assert set(models["cost_model"]) == set(COST_MODELS)
    assert set(models["num_timesteps"]) == {1, 2, 3}  # its own T = 3 besides the two asked for
    growing = models[models["cost_model"] == "45nm_fp32"].sort_values("num_timesteps")["spiking_pj"]
    assert growing.is_monotonic_increasing
    assert "Energy of SpikeMba on" in printed
    assert "e+0" not in printed
    layers = pd.read_csv(out / "layers.csv").set_index("layer")
    assert layers.loc["blocks.0.ssd", "driven_by"].str.startswith("spikes of blocks.0.ssd").all()
    assert (layers.loc["blocks.0.ssd", "num_timesteps"] == 3).all()
    assert layers["energy_pj"].sum() == pytest.approx(growing.iloc[-1])
    modules = pd.read_csv(out / "modules.csv")
    at_own = models[models["num_timesteps"] == 3].set_index("cost_model")["spiking_pj"]
    for name, parts in modules.groupby("cost_model"):
        assert parts["total"].sum() == pytest.approx(at_own[name])
    for figure in ("breakdown", "range", "timesteps", "pareto", "break_even"):
        assert (out / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "tables.tex").read_text().count(r"\begin{tabular}") == 2
    kept = json.loads((out / "provenance.json").read_text())
    assert (kept["queries"], kept["coverage"], kept["checksum"]) == (2, 1.0, data.checksum)


def test_bad_input_is_one_line(report, checkpoint, tmp_path):
    assert "no such checkpoint" in report("--checkpoint", tmp_path / "none.pt", fails=True)
    assert "timesteps" in report("--checkpoint", checkpoint, "--timesteps", 0, fails=True)
    assert "--checkpoint" in report("--data", tmp_path, fails=True)
    assert "no file" in report("--network", tmp_path / "none.py:make", fails=True)
    assert "neither --checkpoint" in report("--network", "x.py:make", "--checkpoint", checkpoint, fails=True)


NETWORK = """
import torch
from torch import nn
from snnvtg.neurons import LIF

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.lif, self.b = nn.Linear(6, 5), LIF(), nn.Linear(5, 2)

    def forward(self, x):
        return self.b(self.lif(4 * self.a(x), num_timesteps=3)).mean(0)

def make():
    torch.manual_seed(0)
    return Net(), [torch.rand(1, 6) for _ in range(4)]

def plain():
    return nn.Linear(6, 2), [torch.rand(1, 6)]

def nothing():
    return nn.Linear(6, 2)

class Mine(nn.Module):
    def forward(self, x):
        return {"potential": x, "spikes": (x > 0.1).float()}

class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.mine, self.b = nn.Linear(6, 5), Mine(), nn.Linear(5, 2)

    def forward(self, x):
        return self.b(self.mine(self.a(x))["spikes"])

def by_hand():
    torch.manual_seed(0)
    return ByHand(), [torch.rand(1, 6) for _ in range(4)]
"""


@pytest.fixture
def network_file(tmp_path, monkeypatch) -> Path:
    file = tmp_path / "users_network.py"
    file.write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_network", raising=False)
    return file


def test_any_network_from_a_file_is_reported(report, network_file, tmp_path):
    out, mine = tmp_path / "energy", tmp_path / "mine.json"
    table = {**json.loads((TABLES / "seneca.json").read_text()), "name": "mine", "title": "Mine"}
    mine.write_text(json.dumps(table))
    printed = report(
        "--network", f"{network_file}:make", "--out", out, "--queries", 2, "--cost-models", mine, "--beside"
    )
    assert "Energy of Net on the inputs of" in printed
    assert "2 queries" in printed
    assert "spikes of lif" in printed
    assert "not explained: 0)" in printed or "Left out" in printed
    models = pd.read_csv(out / "models.csv").set_index("cost_model")
    assert set(models.index) == {*COST_MODELS, "mine"}
    assert models.loc["mine", "spiking_pj"] == models.loc["seneca", "spiking_pj"]
    assert not (out / "accuracy.csv").exists()
    assert set(pd.read_csv(out / "beside.csv")["difference"]) <= {"none"}


def test_a_network_without_neurons_is_its_own_twin(network_file):
    subject = subject_from(f"{network_file}:plain")
    report = report_of(subject.name, subject.where, dict(subject.count_at((1, 2))), 1)
    page = report.page(report.tables())
    assert "spiking = dense twin = quantised twin" in page
    assert "The two tie under 45nm_fp16" in page
    assert "never reached" in page or "| 0 |" in page


def test_a_function_that_gives_something_else_is_one_line(report, network_file):
    assert "(network, inputs)" in report("--network", f"{network_file}:nothing", fails=True)


def test_a_neuron_written_by_hand_is_named_on_the_command_line(report, network_file, tmp_path):
    place, out = f"{network_file}:by_hand", tmp_path / "energy"
    printed = report("--network", place, "--out", out, "--spiking", "Mine=spikes", "--beside")
    assert "spikes of mine" in printed
    layers = pd.read_csv(out / "layers.csv").set_index("layer")
    assert layers.loc["b", "driven_by"] == "spikes of mine"
    said = report("--network", place, "--out", out, "--spiking", "Yours", fails=True)
    assert "--spiking Yours: expected the class of one of its modules: ByHand, Linear, Mine" in said
    assert "--network" in report("--spiking", "Mine", fails=True)


def test_of_controls_that_were_not_run_nothing_is_said():
    assert set(WITHHELD) == set(CONTROLS)
    said = controls_in_words(["none", "other-video", "silent-spikes"])
    assert said.startswith(
        "What is left owes nothing to what was withheld: the video (other-video), the spikes (silent-spikes). "
    )


def test_twins_are_trained_with_the_models_recipe(report, checkpoint, data, tmp_path, monkeypatch):
    few = dataclasses.replace(data, **{s: getattr(data, s).subset(range(4)) for s in ("train", "val", "test")})
    monkeypatch.setattr("snnvtg.data.synthetic.generate", lambda config: few)
    out = tmp_path / "energy"
    arguments = ("--checkpoint", checkpoint, "--out", out, "--queries", 1, "--timesteps", 3)
    report(*arguments)
    assert "--train-twins trains them" in (out / "report.md").read_text()
    before = pd.read_csv(out / "twins.csv").set_index("network")
    assert list(before.index) == ["spiking", "dense twin", "quantised twin"]
    withheld = pd.read_csv(out / "controls.csv").set_index("control")
    assert list(withheld.index) == ["none", *CONTROLS]
    own = pd.read_csv(out / "accuracy.csv").set_index("num_timesteps").loc[3]
    assert withheld.loc["none", "mIoU"] == own["mIoU"] != withheld.loc["constant-video", "mIoU"]
    assert "the video (other-video), the order of the clips (shuffled-clips)" in (out / "report.md").read_text()
    assert not any("trained" in name for name in before.columns[2:])
    report(*arguments, "--train-twins")
    after = pd.read_csv(out / "twins.csv").set_index("network")
    trained = next(name for name in after if name.endswith(", trained"))
    assert after[trained].notna().all()
    assert "Energy beside accuracy at T = 3" in (out / "report.md").read_text()
    assert (after["energy_pj"] == before["energy_pj"]).all()
    assert "--train-twins" in report("--network", "x.py:make", "--train-twins", fails=True)
