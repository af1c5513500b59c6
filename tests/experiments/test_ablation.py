"""The ablation as a user meets it: its files, a kill in the middle, rendering alone, mistakes in a sweep file."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from snnvtg.cli.ablation import Options, adapted, declared
from snnvtg.models import model_class

ROOT = Path(__file__).parents[2]
QUICK = (
    "--preset demo --workers 1 --set training.epochs=2 --set model.width=8 --set model.num_blocks=1 "
    "--set model.num_heads=2 --set model.num_slots=1 --set model.state_size=2"
).split()
COLUMNS = (
    "row,model,data,split,seed,R1@0.3,R1@0.5,R1@0.7,mIoU,firing_rate,synops,macs,energy_pj,parameters,seconds".split(
        ","
    )
)
PARTS = """
name: parts
title: Some parts
seeds: [0, 1]
reference: full
rows:
  full: {}
  without-ssd:
    model.use_ssd: false
  transformer:
    model: transformer
controls: [shuffled-query]
"""
STEPS = """
name: steps
title: Steps and slots
seeds: [0]
grid:
  model.num_timesteps: [4, 2]
  model.num_slots: [preset, 0]
"""


def write_data(folder, num_queries=10, num_clips=8):
    """Two queries a video, with the word `opens` at the start and `shuts` at the end."""
    (folder / "features/clip").mkdir(parents=True)
    generator = np.random.default_rng(0)
    (folder / "glove.tiny.txt").write_text("opens 1 0 0\nshuts 0 1 0\n")
    for number, split in enumerate(("train", "val", "test")):
        lines = []
        for i in range(num_queries):
            vid = f"{split}{i // 2}"
            np.savez(folder / f"features/clip/{vid}.npz", features=generator.standard_normal((num_clips, 4)))
            window = [1.0, 3.0] if i % 2 else [4.0, 7.0]
            query = {"qid": 100 * number + i, "query": "shuts" if i % 2 else "opens", "vid": vid}
            lines.append(json.dumps({**query, "duration": float(num_clips), "relevant_windows": [window]}))
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


def start(folder, out, runs):
    command = [sys.executable, "experiments/ablation.py", "--sweeps", folder / "parts.yaml", folder / "steps.yaml"]
    command += ["--data", folder / "data", "--out", folder / out, "--runs", folder / runs, *QUICK]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-2000:]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    write_data(folder / "data")
    (folder / "parts.yaml").write_text(PARTS)
    (folder / "steps.yaml").write_text(STEPS)
    finish(start(folder, "whole", "runs"))
    return folder


def test_rows_columns_and_provenance(done):
    table = pd.read_csv(done / "whole/parts.csv")
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    prior, table = table[table["row"].isin(["prior", "linear"])], table[~table["row"].isin(["prior", "linear"])]
    assert len(prior) == 2 and prior["seed"].isna().all() and prior["energy_pj"].isna().all()
    controls, table = table[table["model"] == "shuffled-query"], table[table["model"] != "shuffled-query"]
    rows = [["full", 0], ["full", 1], ["transformer", 0], ["transformer", 1], ["without-ssd", 0], ["without-ssd", 1]]
    assert table[["row", "seed"]].to_numpy().tolist() == rows == controls[["row", "seed"]].to_numpy().tolist()
    assert table["model"].tolist() == ["spikemba"] * 2 + ["transformer"] * 2 + ["spikemba"] * 2
    assert controls["energy_pj"].isna().all()  # a control costs what its model costs
    spiking = table["row"] == "full"
    assert table.loc[spiking, "firing_rate"].between(0, 1, inclusive="neither").all()
    assert table.loc[~spiking, "firing_rate"].isna().all()
    assert (table["energy_pj"] > 0).all() and (table["coverage"] == 1).all()
    beside = json.loads((done / "whole/parts.json").read_text())
    assert beside["data_checksum"] and beside["commit"] and beside["wall_seconds"] > 0
    assert beside["declaration"]["rows"][1]["settings"] == {"model.use_ssd": "false"}
    assert str(done) not in (done / "whole/parts.json").read_text()


def test_the_transformer_has_the_presets_size(done):
    table = pd.read_csv(done / "whole/parts.csv").set_index("row")
    width, video, text = 8, 6, 3
    layer = 12 * width**2 + 13 * width  # attention, feed-forward of 4 d, their biases and two norms
    inputs = (video * width + width * width + text * width + width * width) + 2 * 2 * width
    assert layer < table["parameters"]["transformer"].iloc[0] < layer + inputs + 2000
    assert table["parameters"]["transformer"].iloc[0] != table["parameters"]["full"].iloc[0]


def test_the_figures_can_be_computed_again_from_each_querys(done):
    table = pd.read_csv(done / "whole/parts.csv").dropna(subset="energy_pj").set_index(["row", "seed"])
    queries = pd.read_csv(done / "whole/parts_queries.csv", engine="python").dropna(subset="seed")
    assert queries.groupby(["row", "seed"]).size().tolist() == [10] * 6
    assert queries["video"].nunique() == 5
    assert not queries.astype(str).apply(lambda column: column.str.contains("test")).any().any()
    for key, part in queries.groupby(["row", "seed"]):
        assert table.loc[key, "mIoU"] == pytest.approx(100 * part["mIoU"].mean(), abs=1e-9)
        assert table.loc[key, "R1@0.5"] == pytest.approx(100 * part["R1@0.5"].mean(), abs=1e-9)


def test_a_model_in_several_rows_is_trained_once(done):
    # three rows with two seeds, four of the grid, of which T = 4 with slots is `full`
    assert len(list((done / "runs").glob("*/finished.pt"))) == 3 * 2 + 4 - 1
    parts, steps = (pd.read_csv(done / f"whole/{name}.csv").set_index("row") for name in ("parts", "steps"))
    same = steps.loc["num_timesteps=4 num_slots=preset"]
    assert same["mIoU"] == parts.loc["full"].query("seed == 0 and model == 'spikemba'")["mIoU"].item()
    assert (same["num_timesteps"], same["num_slots"]) == (4, 1)
    assert steps.loc["num_timesteps=2 num_slots=0", "num_slots"] == 0


def test_tables_and_figures_name_the_data_and_the_comparison(done):
    words = (done / "whole/parts.md").read_text()
    assert words.startswith("# Some parts (data data, test split, 2 seeds)")
    assert "Δ mIoU" in words and "published" not in words
    assert "## Controls" in words and "| row | figure | as it is | shuffled-query |" in words
    assert "Changed of the preset: training.epochs=2, model.width=8" in words
    assert r"\toprule" in (done / "whole/parts.tex").read_text()
    assert all((done / f"whole/{name}.png").stat().st_size > 20_000 for name in ("parts", "steps"))


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the worker processes through Linux's /proc")
def test_killed_in_the_middle_the_same_command_ends_with_the_same_tables(done):
    process = start(done, "killed", "killed_runs")
    table = done / "killed/parts.csv"
    while not table.is_file() or len(table.read_text().splitlines()) < 6:
        assert process.poll() is None
        time.sleep(0.01)
    workers = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    finished = pd.read_csv(table)
    assert 5 <= len(finished) < 13
    ended = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < ended:
        time.sleep(0.05)
    assert workers and not any(map(alive, workers))

    finish(start(done, "killed", "killed_runs"))
    for name in ("parts", "steps"):
        first, second = (pd.read_csv(done / f"{out}/{name}.csv") for out in ("whole", "killed"))
        pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"), check_exact=True)
        queries = f"{name}_queries.csv"
        assert (done / "whole" / queries).read_bytes() == (done / "killed" / queries).read_bytes()
    key = ["row", "model", "seed", "seconds"]
    kept = pd.read_csv(table).merge(finished[key], on=key)
    assert len(kept) == len(finished)  # the very rows, down to their wall time


def test_rendering_computes_nothing(done, command, tmp_path):
    for file in (done / "whole").glob("parts*.[cj]s*"):
        text = file.read_text().replace(",10.0,", ",10.0,")
        (tmp_path / file.name).write_text(text)
    table = pd.read_csv(tmp_path / "parts.csv")
    table.loc[table["row"] == "full", "parameters"] = 123456
    table.to_csv(tmp_path / "parts.csv", index=False)
    before = (tmp_path / "parts.csv").read_bytes()
    runs = tmp_path / "runs"
    assert command("ablation", "--render", "--sweeps", done / "parts.yaml", "--out", tmp_path, "--runs", runs) == 0
    assert "| 123,456 |" in (tmp_path / "parts.md").read_text()
    assert (tmp_path / "parts.csv").read_bytes() == before
    assert not runs.exists()


def test_a_row_declared_otherwise_is_not_taken_for_the_old_one(done, command, tmp_path, capsys):
    changed = tmp_path / "parts.yaml"
    changed.write_text(PARTS.replace("model.use_ssd: false", "model.use_cmr: false"))
    before = (done / "whole/parts.csv").read_bytes()
    arguments = ["--data", done / "data", "--out", done / "whole", "--runs", tmp_path / "runs", *QUICK]
    assert command("ablation", "--sweeps", changed, *arguments) == 2
    assert "parts.csv: row 'without-ssd' was measured with other settings" in capsys.readouterr().err
    assert (done / "whole/parts.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("model.use_ssd", "model.use_sdd", 9, "known here: width, num_blocks"),
        ("use_ssd: false", "use_ssd: perhaps", 9, "expected true or false"),
        ("model: transformer", "model: tranformer", 10, "known: mamfusion, mrnet"),
        ("model: transformer", "architecture: transformer", 11, "unknown key 'architecture'; known: model"),
        ("[shuffled-query]", "[shuffled-words]", 12, "no control 'shuffled-words'; known: shuffled-query, other-video"),
        ("reference: full", "reference: ful", 5, "known: full, without-ssd, transformer"),
        (
            "seeds: [0, 1]",
            "seed: [0, 1]",
            4,
            "known: name, title, seeds, reference, notes, controls, measures, rows, grid",
        ),
        ("  transformer:", "  full:", 10, "'full' is already there at line 7"),
        ("full: {}", "full: {", 9, "not YAML"),
    ],
)
def test_a_mistake_in_a_sweep_is_one_line_with_file_line_and_known_names(
    old, new, line, said, command, tmp_path, capsys
):
    path = tmp_path / "typo.yaml"
    path.write_text(PARTS.replace(old, new))
    assert command("ablation", "--sweeps", path, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"typo.yaml:{line}: " in error and said in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--sweeps", "table5"],
            "no file 'table5', and SpikeMba has distractors, figure3, looking,",
        ),
        (["--seeds", "1", "1"], "--seeds: expected distinct whole numbers"),
        (["--workers", "0"], "workers: expected at least 1, got 0"),
        (["--render"], "ablation_table4.csv: not there; run the sweep with this --out first"),
        (["--sweeps", "table4", "table4"], "two of the same name write the same files"),
    ],
)
def test_a_bad_argument_is_one_clear_line(arguments, said, command, tmp_path, capsys):
    assert command("ablation", "--out", tmp_path / "out", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_reference_stays_where_other_values_of_an_axis_leave_it():
    figure3 = declared("figure3", model_class("spikemba"))
    kept = adapted(figure3, Options(grid=("model.num_slots=preset",)))
    assert (kept.reference, len(kept.rows)) == ("num_timesteps=4 num_slots=preset", 4)
    assert adapted(figure3, Options(grid=("model.num_timesteps=1,2",))).reference is None
