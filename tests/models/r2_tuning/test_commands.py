"""The model from the command line: real videos with the official figures, and its sweeps."""

import json
import os
from pathlib import Path

import pytest

from snnvtg.models.r2_tuning import R2Tuning
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.settings import trial_of

SETTINGS = ("model.width=8", "model.num_heads=2", "training.epochs=1")
TINY = [part for setting in SETTINGS for part in ("--set", setting)]


@pytest.mark.skipif("SNNVTG_DATA" not in os.environ, reason="SNNVTG_DATA names no folder of real data")
def test_nine_real_videos_from_training_to_official_figures(command, tmp_path):
    root = Path(os.environ["SNNVTG_DATA"])
    words = root / "charades_sta" / "glove.charades.300d.txt"
    where = ("--dataset", "qvhighlights", "--features", root / "qvhighlights", "--backbones", "clip", "--text", words)
    run, out, scored = tmp_path / "run", tmp_path / "submission.jsonl", tmp_path / "metrics.json"
    chosen = ("--model", "r2_tuning", "--preset", "demo", "--splits", "mini", "mini", "mini")
    with pytest.warns(UserWarning, match="the degenerate form on final-layer features"):
        assert command("train", *where, *chosen, *TINY, "--out", run) == 0
    assert command("predict", "--checkpoint", run / "best.pt", *where, "--split", "mini", "--out", out) == 0
    predictions = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(predictions) == 9 and {len(p["pred_saliency_scores"]) for p in predictions} == {75}
    mini = root / "qvhighlights" / "mini.jsonl"
    assert command("evaluate", "--submission", out, "--annotations", mini, "--out", scored) == 0
    figures = json.loads((run / "metrics.json").read_text())["figures"]
    brief = json.loads(scored.read_text())["brief"]
    assert {name: figures[name] for name in brief} == pytest.approx(brief, abs=0.02)
    assert {"HL-min-VeryGood-mAP", "HL-min-VeryGood-Hit1", "MR-full-mAP", "MR-full-R1@0.7"} <= set(brief)


def test_its_sweeps_fit_its_settings_and_its_published_figures():
    base = trial_of("small", model="r2_tuning")
    rows = {}
    for name in R2Tuning.sweeps():
        sweep = parse_sweep(R2Tuning.sweep(name))
        rows[sweep.name] = {row.name: row.trial(base).recipe.model for row in sweep.rows}
    assert set(R2Tuning.ablations) <= set(R2Tuning.sweeps())
    beside = {name: figures for name, figures in R2Tuning.published().items() if name != "benchmarks"}
    for name, figures in beside.items():
        assert set(figures["rows"]) <= set(rows[name])
        assert {len(row) for row in figures["rows"].values()} == {len(figures["columns"])}
    printed, released = (rows["r2_forms"][name].loss for name in ("printed", "released"))
    assert (printed.focal_alpha, printed.boundary) == (0.9, 0.1)
    assert (released.focal_alpha, released.boundary) == (None, 0.2)
    assert rows["r2_neurons"]["both-one-step"].num_timesteps == 1
