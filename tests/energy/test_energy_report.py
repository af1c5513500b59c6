"""The energy report as a user meets it: its files, its words, its errors."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.energy import COST_MODELS
from snnvtg.models.spikemba import SpikeMba
from snnvtg.training import Checkpoint, TrainingConfig


@pytest.fixture(scope="module")
def data():
    return generate(SyntheticConfig())


@pytest.fixture
def checkpoint(tiny, data, tmp_path) -> Path:
    torch.manual_seed(0)
    model = SpikeMba(dataclasses.replace(tiny, num_blocks=1), data.video_width, data.text_width)
    saved = Checkpoint(
        model_name="spikemba",
        model_config=model.config,
        training_config=TrainingConfig(),
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
    monkeypatch.setattr("snnvtg.cli.options.generate", lambda config: few)
    out = tmp_path / "energy"
    printed = report("--checkpoint", checkpoint, "--out", out, "--queries", 2, "--timesteps", 1, 2, "--measure")
    assert "priced 100.00% of the executed operations" in printed
    _, heading, measured = printed.partition("## Measured on this machine")
    assert heading
    if "No energy meter" in measured:  # one plain line, every kind of meter with its reason
        (line,) = [line for line in measured.splitlines() if line.startswith("No energy meter")]
        assert "NVML" in line
        assert "RAPL" in line
    models = pd.read_csv(out / "models.csv")
    assert set(models["cost_model"]) == set(COST_MODELS)
    assert set(models["num_timesteps"]) == {1, 2, 3}  # its own T = 3 besides the two asked for
    growing = models[models["cost_model"] == "45nm_fp32"].sort_values("num_timesteps")["spiking_pj"]
    assert growing.is_monotonic_increasing
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
