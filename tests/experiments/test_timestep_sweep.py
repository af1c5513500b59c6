"""The main job as a user meets it: a process of its own, its files, its errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from snnvtg.neurons import available_backends

ROOT = Path(__file__).parents[2]
QUICK = (
    "--preset demo --workers 1 --set training.epochs=1 --set model.width=8 --set model.num_blocks=1 "
    "--set model.num_heads=2 --set model.num_slots=1 --set model.state_size=2"
).split()
COLUMNS = (
    "row,model,data,split,seed,num_timesteps,num_slots,R1@0.3,R1@0.5,R1@0.7,mIoU,firing_rate,synops,macs,energy_pj,"
    "parameters,seconds"
).split(",")
SEVEN_WORDS = "the person opens a red wooden door"


def sweep(*arguments, expect=0):
    command = [sys.executable, "experiments/timestep_sweep.py", *map(str, arguments)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == expect, done.stderr[-2000:]
    return done


@pytest.fixture
def refused(command, capsys):
    """Runs the command in this process, expects exit status 2, returns the one line on stderr."""

    def call(*arguments):
        assert command("timestep_sweep", *arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
        return said

    return call


def write_folder(folder, num_queries=6, num_clips=8, width=5):
    """A small data set on disk: one query a video, the same in every split but for its qids."""
    (folder / "features/clip").mkdir(parents=True)
    generator = np.random.default_rng(0)
    words = SEVEN_WORDS.split()
    vectors = [f"{word} " + " ".join(map(str, generator.standard_normal(4).round(3))) for word in words]
    (folder / "glove.tiny.txt").write_text("\n".join(vectors) + "\n")
    for number, split in enumerate(("train", "val", "test")):
        lines = []
        for i in range(num_queries):
            vid = f"{split}{i}"
            np.savez(folder / f"features/clip/{vid}.npz", features=generator.standard_normal((num_clips, width)))
            query = {"qid": 100 * number + i, "query": SEVEN_WORDS, "vid": vid, "duration": float(num_clips)}
            lines.append(json.dumps({**query, "relevant_windows": [[1.0, 4.0]]}))
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    data = write_folder(folder / "data")
    arguments = [
        "--data",
        data,
        "--timesteps",
        1,
        3,
        "--grid",
        "model.num_slots=preset",
        *QUICK,
        "--runs",
        folder / "runs",
    ]
    sweep(*arguments, "--out", folder / "first.csv")
    return folder, arguments


def test_rows_columns_and_provenance(swept):
    folder, _ = swept
    table = pd.read_csv(folder / "first.csv")
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    trained = ["num_timesteps=1 num_slots=preset", "num_timesteps=3 num_slots=preset"]
    assert table["row"].unique().tolist() == ["linear", *trained, "prior"]
    asked = {"spikemba", "shuffled-query", "other-video", "permuted-spikes", "silent-spikes"}
    assert all(set(table.loc[table["row"] == row, "model"]) == asked for row in trained)
    spiking = table[table["model"] == "spikemba"].sort_values("num_timesteps")
    assert spiking["num_timesteps"].tolist() == [1, 3]
    assert spiking["firing_rate"].between(0, 1, inclusive="neither").all()
    assert spiking["energy_pj"].is_monotonic_increasing
    assert (spiking["coverage"] == 1).all()
    assert sum(name.startswith("firing_rate:") for name in table) == 4
    beside = json.loads((folder / "first.json").read_text())
    assert beside["data_checksum"] and beside["commit"] and beside["packages"]["torch"] and beside["device"]
    assert beside["identity"]["preset"]["training"]["epochs"] == 1
    assert str(folder) not in (folder / "first.json").read_text()
    assert (folder / "first.png").stat().st_size > 20_000


def test_two_runs_with_one_seed_give_identical_figures(swept):
    folder, arguments = swept
    arguments = [folder / "other_runs" if a == folder / "runs" else a for a in arguments]
    sweep(*arguments, "--out", folder / "second.csv")
    first, second = (pd.read_csv(folder / name).drop(columns="seconds") for name in ("first.csv", "second.csv"))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize("backend", [name for name, reasons in available_backends().items() if reasons is None])
def test_backends_give_the_same_windows_and_the_same_energy(swept, command, backend):
    folder, arguments = swept
    timed = ["seconds", "recipe"]  # a row's settings name its backend
    expected = pd.read_csv(folder / "first.csv").drop(columns=timed)
    assert command("timestep_sweep", *arguments, "--backend", backend, "--out", folder / f"{backend}.csv") == 0
    table = pd.read_csv(folder / f"{backend}.csv")
    pd.testing.assert_frame_equal(table.drop(columns=timed), expected, check_exact=True)


def test_an_interrupted_sweep_goes_on_and_repeats_no_finished_row(swept):
    folder, arguments = swept
    out = folder / "resumed.csv"
    once = [a for a in arguments if a != 3]
    sweep(*once, "--out", out)
    before = pd.read_csv(out)
    sweep(*arguments, "--out", out)
    after = pd.read_csv(out)
    assert len(after) == len(pd.read_csv(folder / "first.csv"))
    kept = after.merge(before[["model", "num_timesteps", "seconds"]], on=["model", "num_timesteps", "seconds"])
    assert len(kept) == len(before)  # the very rows, down to their wall time


def test_one_model_can_be_read_out_at_every_t(swept):
    folder, arguments = swept
    arguments = [folder / "one" if a == folder / "runs" else a for a in arguments]
    sweep(*arguments, "--mode", "inference", "--out", folder / "inference.csv")
    spiking = pd.read_csv(folder / "inference.csv").query("model == 'spikemba'")
    assert spiking["num_timesteps"].tolist() == [1, 3]
    assert len(list((folder / "one").glob("*/finished.pt"))) == 1


def break_json(data):
    (data / "val.jsonl").write_text('{"qid": 1, "query"\n')


def repeat_qid(data):
    lines = (data / "test.jsonl").read_text().splitlines()
    (data / "test.jsonl").write_text("\n".join([*lines, lines[0]]) + "\n")


def move_window(data):
    text = (data / "train.jsonl").read_text()
    (data / "train.jsonl").write_text(text.replace("[[1.0, 4.0]]", "[[1.0, 40.0]]", 1))


def save(array):
    return lambda data: np.savez(data / "features/clip/val2.npz", features=array)


BROKEN = {
    "missing feature file": (lambda data: (data / "features/clip/val2.npz").unlink(), "val2"),
    "another width": (save(np.ones((8, 6))), "val2.npz"),
    "not a number": (save(np.full((8, 5), np.nan)), "val2.npz"),
    "infinite": (save(np.full((8, 5), np.inf)), "val2.npz"),
    "empty video": (save(np.ones((0, 5))), "val2.npz"),
    "malformed line": (break_json, "val.jsonl"),
    "duplicate qid": (repeat_qid, "test.jsonl"),
    "window outside its video": (move_window, "train.jsonl"),
    "missing split": (lambda data: (data / "val.jsonl").unlink(), "val.jsonl"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_bad_data_is_one_clear_line_and_loses_nothing(fault, tmp_path, refused):
    damage, named = BROKEN[fault]
    data = write_folder(tmp_path / "data")
    damage(data)
    out = tmp_path / "kept.csv"
    out.write_text("precious\n")
    assert named in refused("--data", data, *QUICK, "--out", out, "--runs", tmp_path / "runs")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "kept.csv"]
    assert out.read_text() == "precious\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--timesteps", "0"], "model.num_timesteps=0: num_timesteps: expected at least 1, got 0"),
        (["--timesteps", "2", "2"], "--timesteps: expected distinct numbers, got [2, 2]"),
        (["--backend", "nest"], "no lif_backend 'nest'"),
        (["--set", "training.epoch=3"], "no such setting"),
        (["--slots", "both"], "--slots is not taken any more; use --grid model.num_slots=preset,0"),
        (["--grid", "model.wdith=1,2"], "model.wdith=1: no such setting; known here: width"),
        (["--model", "transformer"], "Transformer has no time steps"),
        (["--workers", "0"], "workers: expected at least 1, got 0"),
        (["--out", "table.txt"], "--out: expected a name ending in .csv"),
    ],
)
def test_a_bad_argument_is_one_clear_line(arguments, said, tmp_path, refused):
    assert said in refused("--out", tmp_path / "t.csv", *arguments)
    assert not list(tmp_path.iterdir())


def test_a_truncated_checkpoint_is_named(swept):
    folder, arguments = swept
    for path in (folder / "runs").glob("*/finished.pt"):
        (folder / "cut" / path.parent.name).mkdir(parents=True)
        (folder / "cut" / path.parent.name / path.name).write_bytes(path.read_bytes()[:200])
    arguments = [folder / "cut" if a == folder / "runs" else a for a in arguments]
    done = sweep(*arguments, "--out", folder / "cut.csv", expect=2)
    assert "finished.pt: not a readable checkpoint, perhaps cut short" in done.stderr
    assert "Traceback" not in done.stderr
