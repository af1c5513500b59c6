"""Models of a user's own, compared by one command: those that answer moments, and one that only finds videos."""

import json

import pandas as pd
import pytest

LEADING = "model data split seed R1@0.3 R1@0.5 R1@0.7 mIoU SumR parameters macs synops energy_pj".split()


@pytest.fixture
def models(mine):
    return [f"{mine / file}" for file in ("detr.py:Detr", "detr.py:SpikingDetr", "retrieval.py:Retrieval")]


def test_every_model_on_the_same_queries_in_one_table(command, quick, models, tmp_path):
    out = tmp_path / "comparison.csv"
    options = ("--runs", tmp_path / "runs", "--workers", 1, "--seeds", 0, "--out", out)
    assert command("compare_models", "--models", *models, *quick, *options) == 0
    table = pd.read_csv(out)
    assert list(table.columns[: len(LEADING)]) == LEADING
    trained = table[table["seed"].notna()].set_index("model")
    assert set(trained.index) == {"Detr", "SpikingDetr", "Retrieval"}
    assert trained["SumR"].drop("Detr").notna().any() and trained.loc["Retrieval", ["SumR"]].notna().all()
    assert trained.loc[["Detr", "SpikingDetr"], "mIoU"].notna().all() and pd.isna(trained.loc["Retrieval", "mIoU"])
    assert (trained[["parameters", "energy_pj", "latency_ms"]] > 0).all(axis=None)
    assert (trained["energy_low_pj"] <= trained["energy_pj"]).all()
    assert (trained["energy_pj"] <= trained["energy_high_pj"]).all()
    assert trained.loc["SpikingDetr", "synops"] > 0 == trained.loc["Detr", "synops"]
    assert set(pd.read_csv(tmp_path / "comparison" / "moments.csv")["model"]) > {"other-video", "shuffled-query"}
    assert len(json.loads(out.with_suffix(".json").read_text())["behind"]) == 2
    text = out.with_suffix(".md").read_text()
    assert "| SpikingDetr |" in text and "other-video" in text
    before = table.to_csv()
    assert command("compare_models", "--models", *models, *quick, *options, "--render") == 0
    assert pd.read_csv(out).to_csv() == before


def test_a_model_named_twice_is_one_line(command, models, capsys):
    assert command("compare_models", "--models", models[0], models[0]) == 2
    assert "expected each one once" in capsys.readouterr().err
