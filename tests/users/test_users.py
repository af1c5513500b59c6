"""What users bring, one file each and no file of the package touched: a model, a backend, prices, data, a sweep."""

import json
import sys
from dataclasses import replace

import pandas as pd
import pytest

from snnvtg.models import model_class


@pytest.fixture
def detr(mine) -> str:
    return f"{mine / 'detr.py'}:Detr"


@pytest.fixture
def spiking(mine) -> str:
    return f"{mine / 'detr.py'}:SpikingDetr"


@pytest.fixture
def trained(command, quick, spiking, tmp_path):
    """A trained model of the user's, as the command line leaves it."""
    assert command("train", "--model", spiking, *quick, "--out", tmp_path / "run") == 0
    return tmp_path / "run" / "best.pt"


def test_the_model_fits_in_150_lines(mine):
    assert len((mine / "detr.py").read_text().splitlines()) < 150


def test_a_users_model_is_trained_predicts_and_is_scored(trained, command, quick, spiking, moments, tmp_path):
    metrics = json.loads((trained.parent / "metrics.json").read_text())
    assert metrics["config"]["model_name"] == "detr:SpikingDetr"
    assert 0 < metrics["figures"]["firing_rate"] < 1
    submission, scored = tmp_path / "answers.jsonl", tmp_path / "scored.json"
    options = ("--checkpoint", trained, "--model", spiking, "--data", moments, "--out", submission)
    assert command("predict", *options) == 0
    assert len(submission.read_text().splitlines()) == 4
    annotations = ("--annotations", moments / "test.jsonl", "--dataset", "charades_sta")
    assert command("evaluate", "--submission", submission, *annotations, "--out", scored) == 0
    assert 0 <= json.loads(scored.read_text())["brief"]["mIoU"] <= 100


def test_a_users_model_answers_in_words_with_its_raster(trained, command, spiking, moments, tmp_path, capsys):
    video = moments / "features" / "clip" / "test_0.npz"
    asked = ("--query", "a person opens the door", "--text", moments / "glove.tiny.txt", "--features", video)
    out = ("--out", tmp_path / "answer.png", "--json", tmp_path / "answer.json")
    assert command("ground", "--checkpoint", trained, "--model", spiking, *asked, *out) == 0
    assert "no spiking layers" not in capsys.readouterr().out
    assert len(json.loads((tmp_path / "answer.json").read_text())["pred_relevant_windows"]) == 4


@pytest.mark.parametrize("window", [4, 8])
def test_a_model_without_saliency_answers_in_words_too(
    trained, command, spiking, moments, tmp_path, monkeypatch, window
):
    model = model_class(spiking)
    answered = model.predict
    none = {"pred_saliency_scores": ()}
    monkeypatch.setattr(model, "predict", lambda *given: [replace(found, **none) for found in answered(*given)])
    video = moments / "features" / "clip" / "test_0.npz"
    asked = ("--query", "a person opens the door", "--text", moments / "glove.tiny.txt", "--features", video)
    out = ("--window", window, "--out", tmp_path / "answer.png", "--json", tmp_path / "answer.json")
    assert command("ground", "--checkpoint", trained, "--model", spiking, *asked, *out) == 0
    assert json.loads((tmp_path / "answer.json").read_text())["pred_saliency_scores"] == []


def test_a_checkpoint_does_not_decide_what_is_imported(trained, command, moments, tmp_path, capsys):
    assert command("predict", "--checkpoint", trained, "--data", moments, "--out", tmp_path / "answers.jsonl") == 2
    assert "name it with --model detr:SpikingDetr" in capsys.readouterr().err


def test_a_users_spiking_model_is_swept_over_time_steps_on_a_users_backend(command, quick, spiking, mine, tmp_path):
    out = tmp_path / "sweep.csv"
    pool = ("--runs", tmp_path / "runs", "--workers", 1, "--out", out, "--backend", f"{mine / 'my_backend.py'}:BACKEND")
    assert command("timestep_sweep", "--model", spiking, *quick, "--timesteps", 1, 3, *pool) == 0
    table = pd.read_csv(out)
    own = table[table["model"] == "detr:SpikingDetr"]
    assert own["num_timesteps"].tolist() == [1, 3]
    assert (own["synops"] >= 0).all() and own["firing_rate"].between(0, 1).all()
    assert "shuffled-query" in set(table["model"]) and out.with_suffix(".png").is_file()


def test_a_users_sweep_runs_on_a_users_model(command, quick, detr, mine, tmp_path):
    pool = ("--runs", tmp_path / "runs", "--workers", 1, "--out", tmp_path)
    assert command("ablation", "--model", detr, "--sweeps", mine / "my_sweep.yaml", *quick, *pool) == 0
    table = pd.read_csv(tmp_path / "my_sweep.csv")
    rows = table[table["model"] == "detr:Detr"]["row"].tolist()
    assert rows == ["equal-weights", "num_queries=2", "num_queries=3", "plain", "without-overlap"]
    assert "Δ mIoU" in (tmp_path / "my_sweep.md").read_text()


def test_a_users_backend_runs_every_spike_of_a_measurement(command, quick, spiking, mine, tmp_path):
    backend = f"{mine / 'my_backend.py'}:BACKEND"
    for name in ("auto", backend):
        arguments = ("--backend", name, "--timesteps", 3, "--out", tmp_path / name[-4:])
        assert command("train", "--model", spiking, *quick, *arguments) == 0
    calls = sys.modules["my_backend"].calls
    assert calls and set(calls) == {3}
    ours, theirs = (json.loads((tmp_path / n / "metrics.json").read_text())["figures"] for n in ("auto", "KEND"))
    assert ours == theirs


def test_a_users_backend_says_why_not(command, quick, spiking, mine, tmp_path, capsys):
    arguments = ("--backend", f"{mine / 'my_backend.py'}:BACKEND", "--set", "model.lif.reset=soft")
    assert command("train", "--model", spiking, *quick, *arguments, "--out", tmp_path / "run") == 2
    assert "it resets hard, never softly" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_users_data_set_is_trained_on_predicted_and_scored(command, detr, mine, moments, tmp_path):
    for split in ("train", "val", "test"):
        lines = []
        for line in (moments / f"{split}.jsonl").read_text().splitlines():
            query = json.loads(line)
            kept = {"id": query["qid"], "sentence": query["query"], "video": query["vid"]}
            lines.append(json.dumps({**kept, "seconds": 8, "moment": query["relevant_windows"][0]}) + "\n")
        (tmp_path / f"my_{split}.jsonl").write_text("".join(lines))
    name = f"{mine / 'my_data.py'}:MINE"
    data = ("--dataset", name, "--features", moments, "--annotations", tmp_path, "--backbones", "clip")
    data += ("--text", moments / "glove.tiny.txt")
    run, answers = tmp_path / "run", tmp_path / "answers.jsonl"
    assert command("train", "--model", detr, *data, "--set", "training.epochs=1", "--out", run) == 0
    assert json.loads((run / "metrics.json").read_text())["data"] == "MINE"
    trained = ("--checkpoint", run / "best.pt", "--model", detr)
    assert command("predict", *trained, *data, "--split", "test", "--out", answers) == 0
    scored = ("--annotations", tmp_path / "my_test.jsonl", "--dataset", name, "--out", tmp_path / "scored.json")
    assert command("evaluate", "--submission", answers, *scored) == 0
    assert set(json.loads((tmp_path / "scored.json").read_text())["brief"]) == {"R1@0.3", "R1@0.5", "R1@0.7", "mIoU"}


def test_a_users_model_is_priced_by_a_users_cost_model(trained, command, moments, mine, spiking, tmp_path):
    out = tmp_path / "energy"
    asked = ("--checkpoint", trained, "--model", spiking, "--data", moments, "--timesteps", 1, 2)
    assert command("energy_report", *asked, "--cost-models", f"{mine / 'my_costs.py'}:MINE", "--out", out) == 0
    table = pd.read_csv(out / "models.csv")
    assert {"mine", "45nm_fp32"} <= set(table["cost_model"])
    assert set(table["num_timesteps"]) == {1, 2}
    counted = pd.read_csv(out / "operations.csv").groupby("kind")["effective"].sum()  # at the model's own T, 2
    priced = table[(table["cost_model"] == "mine") & (table["num_timesteps"] == 2)]["spiking_pj"].item()
    others = counted.drop(["mac", "ac"]).sum()
    assert counted["ac"] > 0 and priced == pytest.approx(2.0 * counted["mac"] + 0.5 * counted["ac"] + others)
    assert "SpikingDetr" in (out / "report.md").read_text() and (out / "tables.tex").is_file()


def test_a_users_model_without_spikes_is_priced(command, quick, moments, detr, tmp_path):
    run, out = tmp_path / "run", tmp_path / "energy"
    assert command("train", "--model", detr, *quick, "--out", run) == 0
    asked = ("--checkpoint", run / "best.pt", "--model", detr, "--data", moments, "--out", out)
    assert command("energy_report", *asked) == 0
    assert (pd.read_csv(out / "models.csv")["spiking_pj"] > 0).any()
