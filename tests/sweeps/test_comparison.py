"""Comparison and tables from files written by hand, so that every expected value is known beforehand."""

import json

import numpy as np
import pandas as pd
import pytest

from snnvtg.errors import InputError
from snnvtg.sweeps.comparison import differences, holm, read_results
from snnvtg.sweeps.report import render

ROWS = ("full", "without-cmr", "without-ssd", "without-contrastive")
SHIFT = {"full": 0.0, "without-cmr": -0.2, "without-ssd": 0.0, "without-contrastive": 0.3}


@pytest.fixture
def folder(tmp_path):
    """Forty queries about twenty videos, five seeds: without-cmr loses 0.2 on each, without-ssd has noise alone."""
    generator = np.random.default_rng(0)
    base = generator.uniform(0.3, 0.6, 40)
    common = {"data": "synthetic", "split": "test"}
    table, queries = [{"row": "prior", "model": "prior", **common, "mIoU": 12.3}], []
    for row in ROWS:
        for seed in range(5):
            iou = base + SHIFT[row] + generator.normal(0, 0.01, 40)
            part = {"row": row, "model": "spikemba", "seed": seed, "query": range(40), "video": np.arange(40) // 2}
            queries.append(pd.DataFrame({**part, "R1@0.5": (iou >= 0.5).astype(int), "mIoU": iou}))
            figures = {"mIoU": 100 * iou.mean(), "R1@0.5": 100 * (iou >= 0.5).mean(), "R1@0.7": 20.0 + seed}
            cost = {"firing_rate": None if row == "without-ssd" else 0.25, "energy_pj": 3e6, "parameters": 1234}
            table.append({"row": row, "model": "spikemba", **common, "seed": seed, **figures, **cost})
            table.append({"row": row, "model": "other-video", **common, "seed": seed, "mIoU": 11.0, "R1@0.5": 10.0})
    frame = pd.DataFrame(table).assign(recipe=lambda t: t["row"])
    frame.to_csv(tmp_path / "ablation_table4.csv", index=False)
    pd.concat(queries).to_csv(tmp_path / "ablation_table4_queries.csv", index=False)
    declared = [{"name": name, "model": None, "settings": {}} for name in (*ROWS[:3], "transformer")]
    declaration = {"title": "What parts earn", "reference": "full", "notes": ["A note."], "columns": {}}
    declaration |= {"controls": ["other-video"], "rows": declared}
    beside = {"command": "python x.py", "commit": "abc", "declaration": declaration, "evaluation": "recall"}
    beside |= {"identity": {"model": "spikemba"}, "changed": "Changed of the preset: training.epochs=8"}
    beside["failures"] = {"transformer, seed 0": "training diverged"}
    (tmp_path / "ablation_table4.json").write_text(json.dumps(beside))
    return tmp_path


@pytest.fixture
def path(folder):
    return folder / "ablation_table4.csv"


def test_differences_are_paired_and_flagged(path):
    found = differences(read_results(path)).query("metric == 'mIoU'").set_index("row")
    assert found.loc["without-cmr", "difference"] == pytest.approx(-20, abs=0.5)
    assert found.loc["without-contrastive", "difference"] == pytest.approx(30, abs=0.5)
    assert found["differs"].to_dict() == {"without-cmr": True, "without-ssd": False, "without-contrastive": True}
    # pairing takes the spread of the queries (±4.5 points unpaired) out of the interval
    assert found.loc["without-cmr", "high"] - found.loc["without-cmr", "low"] < 2
    assert (found["p_holm"] >= found["p"]).all()
    assert found.loc["without-ssd", "p_holm"] > 0.05


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_tables_keep_ours_and_the_papers_apart(path):
    assert "What parts earn (synthetic data, test split, 5 seeds)" in render(path)
    words = path.with_suffix(".md").read_text()
    head = next(line for line in words.splitlines() if line.startswith("| row"))
    names = [name.strip() for name in head.strip("|").split("|")]
    line = next(line for line in words.splitlines() if line.startswith("| without-cmr"))
    cells = dict(zip(names, [cell.strip() for cell in line.strip("|").split("|")], strict=True))
    assert cells["R1@0.7"] == "22.0 ± 1.6"
    assert cells["R1@0.7, published (QVHighlights test, Table 4)"] == "40.32"
    assert cells["mAP, published (QVHighlights test, Table 4)"] == "35.46"
    assert cells["energy per query, µJ"] == "3.0 ± 0.0"
    assert cells["Δ mIoU"].startswith("−20.") and cells["Δ mIoU"].endswith(r"\*\*")
    silent = next(line for line in words.splitlines() if line.startswith("| without-ssd"))
    assert " – " in silent and "nan" not in words.lower()
    prior = next(line for line in words.splitlines() if line.startswith("| prior"))
    assert "12.3" in prior
    assert "mIoU against full: the 95 % interval excludes 0 for without-cmr, without-contrastive" in words
    assert "- transformer, seed 0: no figures, training diverged" in words
    assert "- A note." in words
    assert "Changed of the preset: training.epochs=8." in words
    controls = words.split("## Controls")[1]
    assert "| full | mIoU | " in controls and "| 11.0 ± 0.0 |" in controls


def test_latex_has_the_same_figures_and_no_naked_sign(path):
    render(path)
    text = path.with_suffix(".tex").read_text()
    assert text.count(r"\\") == 2 + 5  # group, head and five rows
    assert r"\multicolumn{4}{c}{published (QVHighlights test, Table 4)}" in text
    assert r"without-cmr & 5 & " in text and r"& 53.29 & 40.32 & 36.68 & 35.46 \\" in text
    assert not set(text) & set("±−µΔ–")
    lines = [line for line in text.splitlines() if line.startswith(("row &", "full &", "without"))]
    assert len({line.count("&") for line in lines}) == 1


def test_rendering_needs_no_more_than_the_files_and_leaves_them(path):
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    render(path)
    first = path.with_suffix(".md").read_bytes()
    render(path)
    assert path.with_suffix(".md").read_bytes() == first
    assert {name: (path.parent / name).read_bytes() for name in before} == before
    assert path.with_suffix(".png").stat().st_size > 20_000


def test_a_row_that_is_the_references_model_is_not_compared(path):
    table = pd.read_csv(path)
    table.loc[table["row"] == "without-ssd", "recipe"] = "full"
    table.to_csv(path, index=False)
    assert "without-ssd" not in differences(read_results(path))["row"].tolist()
    render(path)
    assert "0, the same model" in path.with_suffix(".md").read_text()


@pytest.mark.parametrize("name", ["ablation_table4.json", "ablation_table4_queries.csv", "ablation_table4.csv"])
def test_a_missing_file_is_named(name, folder, path):
    (folder / name).unlink()
    with pytest.raises(InputError, match=name):
        read_results(path)


def keep(path, wanted):
    """Leave only the rows of table and overlaps for which `wanted(row, seed)` is true."""
    for file in (path, path.with_name(f"{path.stem}_queries.csv")):
        frame = pd.read_csv(file)
        there = [wanted(row, seed) for row, seed in zip(frame["row"], frame["seed"], strict=True)]
        frame[there].to_csv(file, index=False)


def test_without_the_references_figures_nothing_is_compared_and_the_rest_is_written(path):
    keep(path, lambda row, seed: row != "full")
    assert "no comparison: reference full has no figures" in render(path)
    words = path.with_suffix(".md").read_text()
    line = next(line for line in words.splitlines() if line.startswith("| without-cmr"))
    assert line.split("|")[6:8] == [" – ", " – "]
    assert "- full: no figures, not run yet" in words


def test_a_sweep_of_which_nothing_could_be_trained_is_written(path):
    keep(path, lambda row, seed: row == "prior")
    beside = json.loads(path.with_suffix(".json").read_text())
    beside["declaration"]["columns"] = {"model.num_timesteps": "num_timesteps"}
    path.with_suffix(".json").write_text(json.dumps(beside))
    assert "no comparison: reference full has no figures" in render(path)


def test_few_seeds_claim_no_corrected_p(path):
    keep(path, lambda row, seed: not seed > 2)
    found = differences(read_results(path))
    assert found["differs"].any() and found["p_holm"].isna().all() and (found["seeds"] == 3).all()
    render(path)
    words = path.with_suffix(".md").read_text()
    assert r"\*\*" not in words and "Holm" not in words
    assert "3 seeds: training noise is in the intervals, and with few seeds still understated." in words
    assert "in 6 % of cases where seeds scatter by 1 point and in 10 % where by 3" in words


def test_one_row_of_one_seed_is_said_and_not_starred(path):
    keep(path, lambda row, seed: row != "without-cmr" or seed == 0)
    found = differences(read_results(path)).query("metric == 'mIoU'").set_index("row")
    assert found["seeds"].to_dict() == {"without-cmr": 1, "without-ssd": 5, "without-contrastive": 5}
    assert np.isnan(found.loc["without-cmr", "p_holm"])
    # corrected for the two rows that remain
    assert found.loc["without-contrastive", "p_holm"] == pytest.approx(2 * found.loc["without-contrastive", "p"])
    assert "after Holm's correction for 2 rows still for without-contrastive" in render(path)
    words = path.with_suffix(".md").read_text()
    assert "One seed (without-cmr): the intervals cover the choice of test videos" in words
    assert "over the rows of each metric with at least 5 seeds" in words


def test_a_seed_that_failed_is_listed_beside_those_that_did_not(path):
    keep(path, lambda row, seed: row != "without-ssd" or seed != 3)
    beside = json.loads(path.with_suffix(".json").read_text())
    beside["failures"] |= {"without-ssd, seed 3": "training diverged", "without-cmr, seed 0": "of an earlier run"}
    path.with_suffix(".json").write_text(json.dumps(beside))
    missing = read_results(path).missing
    assert missing == {"transformer, seed 0": "training diverged", "without-ssd, seed 3": "training diverged"}


def test_a_digest_of_digits_is_a_word(path):
    table = pd.read_csv(path).assign(recipe="12345e678901")
    table.to_csv(path, index=False)
    assert (read_results(path).table["recipe"] == "12345e678901").all()
