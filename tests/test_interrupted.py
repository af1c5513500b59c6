"""Ctrl-C, SIGTERM, kill -9 and two runs at once: one line, the shell's status, and in the end the same figures."""

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from snnvtg.claims import claimed
from snnvtg.cli import COMMANDS
from snnvtg.cli.command import CommandOptions
from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.interrupts import Interrupted, answered, held, let_through, raised

spec = importlib.util.spec_from_file_location("interrupting", Path(__file__).with_name("interrupting.py"))
interrupting = importlib.util.module_from_spec(spec)
spec.loader.exec_module(interrupting)
Running, TINY = interrupting.Running, interrupting.TINY

SWEEP = ["timestep_sweep.py", *TINY, "--timesteps", "1", "--grid", "model.num_slots=preset", "--workers", "1"]
SWEEP += ["--runs", "runs", "--out", "table.csv"]
TRAIN = ["train.py", *TINY, "--out", "trained"]


@pytest.fixture(autouse=True)
def _heard():
    """Ctrl-C is heard, even where whoever started the tests ignores it, as nohup and a shell's & do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_sweep_that_is_interrupted_and_killed_ends_with_the_figures_of_an_undisturbed_one(
    tmp_path, command, monkeypatch
):
    first = Running(tmp_path, *SWEEP)
    first.wait_for(lambda: list(tmp_path.glob("runs/*/last.pt")))
    status, said = first.send(signal.SIGINT, to_all=True)  # as a terminal does
    assert status == 130
    assert said == ["interrupted: finished rows are in their tables, finished epochs in runs; the same command resumes"]
    assert not interrupting.half_files(tmp_path)
    second = Running(tmp_path, *SWEEP)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/last.pt")}
    second.wait_for(lambda: any(p.stat().st_mtime_ns > before.get(p, 0) for p in tmp_path.glob("runs/*/last.pt")))
    status, _ = second.send(signal.SIGKILL, to_all=False)  # `end` waits until its worker is gone too
    assert status == -signal.SIGKILL
    monkeypatch.chdir(tmp_path)
    assert command("timestep_sweep", *SWEEP[1:]) == 0
    assert command("timestep_sweep", *SWEEP[1:-3], "others", "--out", "undisturbed.csv") == 0
    assert interrupting.equal(tmp_path / "table.csv", tmp_path / "undisturbed.csv")
    assert not interrupting.half_files(tmp_path)


def test_training_that_is_ended_and_killed_ends_with_the_figures_of_an_undisturbed_run(
    tmp_path, command, monkeypatch, capsys
):
    running = Running(tmp_path, *TRAIN)
    running.wait_for((tmp_path / "trained/last.pt").exists)
    monkeypatch.chdir(tmp_path)
    running.process.send_signal(signal.SIGSTOP)  # so that it is at work whatever time the second takes
    assert command("train", *TRAIN[1:]) == 2
    assert "trained/last.pt: another run is writing to it" in capsys.readouterr().err
    running.process.send_signal(signal.SIGTERM)
    status, said = running.send(signal.SIGCONT, to_all=False)
    assert status == 143
    last = "trained/last.pt holds the last finished epoch; the same command goes on from there"
    assert said == [f"interrupted: {last}"]
    assert not interrupting.half_files(tmp_path)
    (tmp_path / "trained/.best.unfinished-abcdefgh.pt").write_text("what kill -9 leaves")
    assert command("train", *TRAIN[1:]) == 0
    assert command("train", *TRAIN[1:-1], "undisturbed") == 0
    assert interrupting.equal(tmp_path / "trained/metrics.json", tmp_path / "undisturbed/metrics.json")
    assert not interrupting.half_files(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_anything_began_is_one_line(tmp_path, number):
    running = Running(tmp_path, *TRAIN)
    running.wait_for(lambda: _answers(running.process.pid))
    status, said = running.send(number, to_all=True)
    assert status == 128 + number
    assert len(said) == 1 and said[0].startswith("interrupted: ")
    assert not list(tmp_path.iterdir())


def _answers(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_a_signal_while_a_file_is_made_or_put_in_place_waits(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(*names):
        signal.raise_signal(signal.SIGTERM)
        replace(*names)

    path = tmp_path / "table.csv"
    monkeypatch.setattr(os, "replace", interrupted)
    with raised(), pytest.raises(Interrupted), atomic(path) as scratch:
        scratch.write_text("whole")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("table.csv", "whole")]


def test_a_signal_while_a_file_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with raised(), pytest.raises(Interrupted), atomic(path) as scratch:
        scratch.write_text("half")
        signal.raise_signal(signal.SIGINT)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("table.csv", "old")]


def test_held_signals_come_at_the_end_and_other_threads_hold_nothing():
    reached = []
    with raised(), pytest.raises(Interrupted) as caught, held():
        with pytest.raises(Interrupted), let_through():
            signal.raise_signal(signal.SIGINT)
            reached.append("not this")
        signal.raise_signal(signal.SIGTERM)
        reached.append("this")
    assert caught.value.signum == signal.SIGTERM and reached == ["this"]
    with raised():
        inside = threading.Thread(target=lambda: [held().__enter__(), time.sleep(0)])
        inside.start()
        inside.join()
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_became_another_exception_is_still_one(capsys):
    with pytest.raises(SystemExit) as end, answered(lambda: "this is safe"):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Interrupted as error:
            raise ImportError("numpy failed to import") from error
    assert end.value.code == 143
    assert capsys.readouterr().err == "interrupted: this is safe\n"


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_who_waits_for_another_run_says_so_and_goes_on_after_it(tmp_path, capsys):
    path, order = tmp_path / "finished.pt", []

    def first():
        with claimed(path):
            taken.set()
            time.sleep(0.2)
            order.append("first")

    taken = threading.Event()
    other = threading.Thread(target=first)
    other.start()
    taken.wait()
    with pytest.raises(InputError, match=r"finished\.pt: another run is writing to it"), claimed(path):
        pass
    with claimed(path, wait=True):
        order.append("second")
    other.join()
    assert order == ["first", "second"] and "waiting for it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    for name in (".a.unfinished-abcdefgh.csv", ".a_queries.unfinished-abcdefgh.csv", ".b.unfinished-abcdefgh.csv"):
        (tmp_path / name).write_text("")
    for name in (".a-original.csv", "a.csv"):
        (tmp_path / name).write_text("")
    with claimed(tmp_path / "a.csv"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a-original.csv", ".b.unfinished-abcdefgh.csv", "a.csv"]


ABLATION = [
    "ablation.py",
    *TINY,
    "--sweeps",
    "../data/resets.yaml",
    "--workers",
    "2",
    "--runs",
    "runs",
    "--out",
    "tables",
]
PACK = ["tools/pack_features.py", "--annotations", "../data/all.jsonl", "--features", "../data/features/clip"]
PACK += ["--out", "packed"]


RETRIEVES = ("width=8", "num_heads=2", "num_clips=4", "max_frames=64", "state_size=2", "fusion=none")
LEARN = ["train.py", "--data", "../data", "--model", "mamfusion", "--set", "training.epochs=1", "--out", "../model"]
LEARN += [part for setting in RETRIEVES for part in ("--set", f"model.{setting}")]
INDEX = ["index.py", "--checkpoint", "../model/best.pt", "--features", "../data/features/clip"]
INDEX += ["--text", "../data/glove.txt", "--out", "store"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "moments", "written"),
    [
        (TRAIN, 10, ["trained/metrics.json"]),
        (PACK, 8, ["packed/index.json", "packed/rows.bin"]),
        (INDEX, 8, [f"store/piece-000000/{name}" for name in ("names.npy", "parts.npy", "vectors.bin")]),
        (SWEEP, 12, ["table.csv", "table_queries.csv"]),
        (ABLATION, 12, ["tables/resets.csv", "tables/resets_queries.csv"]),
    ],
    ids=["training", "packing", "indexing", "sweep", "ablation"],
)
def test_killed_at_random_moments(tmp_path, arguments, moments, written):
    _folder(tmp_path / "data")
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    if arguments is INDEX:
        assert Running(tmp_path / "killed", *LEARN).end()[0] == 0
    began = time.monotonic()
    status, said = Running(tmp_path / "undisturbed", *arguments).end()
    assert status == 0, said
    longest = time.monotonic() - began
    struck = interrupting.killed_at_random(tmp_path / "killed", arguments, moments, 0, longest)
    print(f"{arguments[0]}: killed after {struck} s of {longest:.1f} s", flush=True)
    for name in written:
        ours, theirs = tmp_path / "undisturbed" / name, tmp_path / "killed" / name
        comparable = name.endswith("csv") or "metrics" in name
        assert interrupting.equal(ours, theirs) if comparable else ours.read_bytes() == theirs.read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [TRAIN, SWEEP, ABLATION, ["ground.py", "--json", "answer.json"]],
    ids=["training", "sweep", "ablation", "ground"],
)
def test_signalled_at_random_moments(tmp_path, arguments):
    _folder(tmp_path / "data")
    (tmp_path / "whole").mkdir()
    began = time.monotonic()
    assert Running(tmp_path / "whole", *arguments).end()[0] == 0
    longest = time.monotonic() - began
    assert not interrupting.signalled_at_random(tmp_path, arguments, 10, 0, longest)


def _folder(folder: Path) -> None:
    """A data set of 400 videos, 8 of them asked for, and a sweep's file."""
    (folder / "features/clip").mkdir(parents=True)
    lines = []
    for i in range(400):
        np.savez(folder / f"features/clip/v{i}.npz", features=np.random.default_rng(i).standard_normal((60, 64)))
        query = {"qid": i, "query": "a man runs", "vid": f"v{i}", "duration": 60.0, "relevant_windows": [[1.0, 4.0]]}
        lines.append(json.dumps(query) + "\n")
    (folder / "all.jsonl").write_text("".join(lines))
    for number, split in enumerate(("train", "val", "test")):
        (folder / f"{split}.jsonl").write_text("".join(lines[8 * number : 8 * number + 8]))
    (folder / "glove.txt").write_text("a 1 0 0\nman 0 1 0\nruns 0 0 1\n")
    rows = "{hard: {}, soft: {model.lif.reset: soft}}"
    (folder / "resets.yaml").write_text(f"name: resets\ntitle: Resets\nseeds: [0, 1]\nreference: hard\nrows: {rows}\n")


@pytest.mark.parametrize("name", [name.replace("-", "_") for name in COMMANDS])
def test_only_a_command_that_resumes_promises_it(name):
    options = importlib.import_module(f"snnvtg.cli.{name}").Options
    kept = vars(options).get("kept") or next(vars(c)["kept"] for c in options.__mro__ if "kept" in vars(c))
    resumes = name in ("train", "timestep_sweep", "ablation", "cross_validate", "compare_models")
    assert (kept is not CommandOptions.kept) == (resumes or name in ("energy_report", "index"))
    assert "resume" not in CommandOptions().kept()


def run_here(main: str, *arguments: str, **environment: str) -> subprocess.Popen:
    """A command of one line, without what is heavy."""
    line = f"from snnvtg.cli.command import CommandOptions, run; run(CommandOptions, lambda options: {main})"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", line, *arguments], **pipes, env={**os.environ, **environment})


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_a_reader_that_leaves_early_ends_the_command_without_a_word(arguments):
    running = run_here("print('x' * 100_000)", *arguments)
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait() == 128 + signal.SIGPIPE


def test_a_terminal_of_another_code_page_ends_no_command():
    said, wrong = run_here("print('5 µJ')", PYTHONIOENCODING="ascii").communicate()
    assert (said, wrong) == ("5 ?J\n", "")


def test_quiet_leaves_errors_alone():
    said, wrong = run_here("print('table', 'TQDM_DISABLE' in __import__('os').environ)", "--quiet").communicate()
    assert (said, wrong) == ("", "")
    assert run_here("exit(__import__('os').environ['TQDM_DISABLE'])", "--quiet").communicate()[1] == "1\n"
    assert "ZeroDivisionError" in run_here("1 / 0", "--quiet").communicate()[1]


def test_a_second_report_into_a_folder_is_refused_and_an_empty_folder_goes_again(
    tmp_path, command, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.pt").write_text("no checkpoint")
    with claimed(tmp_path / "energy" / "report.md"):
        assert command("energy_report", "--checkpoint", "best.pt", "--out", "energy") == 2
        assert capsys.readouterr().err.startswith("error: energy/report.md: another run is writing to it")
    assert command("energy_report", "--checkpoint", "best.pt", "--out", "energy") == 2
    assert "best.pt: not a readable checkpoint" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]
