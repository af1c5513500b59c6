"""A retrieval model of a user's own: every query against every video of a split, in training, sweeps and answers."""

import json

import pandas as pd
import pytest
import torch

from snnvtg.data.video_rankings import read_video_rankings

RANKED = ["R@1", "R@5", "R@10", "R@100", "SumR"]


@pytest.fixture
def retrieval(mine) -> str:
    return f"{mine / 'retrieval.py'}:Retrieval"


@pytest.fixture
def trained(command, quick, retrieval, tmp_path):
    settings = ("--set", "training.epochs=3", "--set", "training.learning_rate=0.01")
    assert command("train", "--model", retrieval, *quick, *settings, "--out", tmp_path / "run") == 0
    return tmp_path / "run" / "best.pt"


def test_the_best_epoch_is_chosen_by_the_ranks_of_the_whole_validation_split(trained):
    progress = torch.load(trained, weights_only=True)["progress"]
    assert [set(epoch) for epoch in progress["history"]] == [{"loss", *RANKED}] * progress["epoch"]
    sums = [epoch["SumR"] for epoch in progress["history"]]
    assert sums[progress["best_epoch"] - 1] == max(sums)
    assert set(RANKED) < set(json.loads((trained.parent / "metrics.json").read_text())["figures"])


def test_answers_are_rankings_of_every_video(trained, command, retrieval, moments, tmp_path):
    data, out = ("--data", moments), tmp_path / "ranked.jsonl"
    checkpoint = ("--checkpoint", trained, "--model", retrieval)
    assert command("predict", *checkpoint, *data, "--out", out) == 0
    rankings = read_video_rankings(out)
    assert len(rankings) == 4 and all(set(ranking) == {"test_0", "test_1"} for ranking in rankings.values())
    scored = ("--annotations", moments / "test.jsonl", "--dataset", "charades_sta", "--out", tmp_path / "scored.json")
    assert command("evaluate", "--task", "video_retrieval", "--submission", out, *scored) == 0
    figures = json.loads((tmp_path / "scored.json").read_text())["brief"]
    table = tmp_path / "table.csv"
    assert command("tools/video_retrieval", *checkpoint, *data, "--out", table) == 0
    assert pd.read_csv(table).set_index("metric")["model"].to_dict() == pytest.approx(figures)


def test_a_retrieval_model_is_swept_by_its_own_figures(command, quick, retrieval, tmp_path):
    declared = "name: widths\ntitle: Widths\nseeds: [0]\nreference: w8\ncontrols: [shuffled-query]\n"
    (tmp_path / "widths.yaml").write_text(declared + "rows:\n  w8: {}\n  w4: {model.width: 4}\n")
    out = ("--runs", tmp_path / "runs", "--workers", 1, "--out", tmp_path)
    assert command("ablation", "--model", retrieval, "--sweeps", tmp_path / "widths.yaml", *quick, *out) == 0
    table = pd.read_csv(tmp_path / "widths.csv")
    assert table[RANKED].notna().all(axis=None)
    assert table["row"].tolist() == ["w4", "w4", "w8", "w8"]
    assert "Δ SumR" in (tmp_path / "widths.md").read_text()


def test_a_retrieval_model_grounds_in_its_own_video_too(trained, command, retrieval, moments, tmp_path):
    video = moments / "features" / "clip" / "test_0.npz"
    asked = ("--query", "a person opens the door", "--text", moments / "glove.tiny.txt", "--features", video)
    out = ("--out", tmp_path / "answer.png", "--json", tmp_path / "answer.json")
    assert command("ground", "--checkpoint", trained, "--model", retrieval, *asked, *out) == 0
    assert len(json.loads((tmp_path / "answer.json").read_text())["pred_relevant_windows"]) == 1


def test_a_retrieval_model_is_priced_beside_its_own_figures(trained, command, retrieval, moments, mine, tmp_path):
    asked = ("--checkpoint", trained, "--model", retrieval, "--data", moments)
    costs = ("--cost-models", f"{mine / 'my_costs.py'}:MINE")
    assert command("energy_report", *asked, *costs, "--out", tmp_path / "energy") == 0
    assert set(RANKED) < set(pd.read_csv(tmp_path / "energy" / "accuracy.csv"))
    assert "mine" in set(pd.read_csv(tmp_path / "energy" / "models.csv")["cost_model"])
