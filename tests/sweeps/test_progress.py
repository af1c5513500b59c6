"""A sweep followed from its folder: what is shown where, how long the rest takes, and where a failure's log is."""

import dataclasses
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
import time
from pathlib import Path

import nbclient
import nbformat
import pytest

from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.live import Lines, Terminal, fitting_view, followed, page, summary, text
from snnvtg.sweeps.progress import Board, Follower, Listed, begin, read_board
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.request import SweepRequest, unfinished
from snnvtg.sweeps.settings import trial_of
from snnvtg.sweeps.status import Recorder, Status, read_status, write_status

ROOT = Path(__file__).parents[2]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
TINY = (
    "training.epochs=2 model.width=8 model.num_blocks=1 model.num_heads=2 model.num_slots=1 model.state_size=2"
).split()
DIVERGES = """
name: rates
title: Rates
seeds: [0]
rows:
  usual: {}
  again: {}
  far: {training.learning_rate: 1e30, training.gradient_clip: 1e30}
"""


@pytest.fixture
def board(tmp_path):
    """Four models in two groups, for two workers; begun 100 s ago."""
    models = tuple(Listed(f"row {i}, seed 0", f"model{i}", "even" if i % 2 == 0 else "odd") for i in range(4))
    made = Board(tmp_path / "runs/progress/table4.json", models, 2, time.time() - 100)
    made.write()
    return made


@pytest.fixture
def say(board):
    """Write what a model says of itself."""

    def write(number, state, **values):
        folder = board.runs / f"model{number}"
        folder.mkdir(parents=True, exist_ok=True)
        status = Status(state, **{"epochs": 4, "began": time.time(), "updated": time.time(), **values})
        (folder / "status.json").write_text(json.dumps(dataclasses.asdict(status)))

    return write


def test_nothing_known_is_a_question_mark_and_over_is_no_time_left(board, say):
    assert Follower(board).read().remaining() is None
    assert summary(Follower(board).read()) == "table4: 4 models: 0 finished, 4 waiting · 0:01:40, ? left"
    for number in range(4):
        say(number, "finished", train_seconds=1.0)
    assert Follower(board).read().remaining() == 0


def test_the_rest_is_dealt_out_to_the_workers(board, say):
    say(0, "finished", train_seconds=50.0, measure_seconds=10.0)  # so model 2, of its group, takes 60 s
    say(1, "training", epoch=1, train_seconds=30.0)  # 4 epochs of 30 s, 90 left; so model 3 takes 120
    # two workers: one is free in 90 s, the other takes model 2 for 60 s, then model 3 for 120: 180 s
    assert Follower(board).read().remaining() == pytest.approx(180, abs=2)
    say(1, "training", epoch=1, train_seconds=30.0, updated=time.time() - 1000)
    snapshot = Follower(dataclasses.replace(board, began=0.0)).read()
    assert snapshot.left(*snapshot.models[1]) == 0  # never negative, however late it is
    assert snapshot.remaining() == pytest.approx(120)


def test_a_plan_says_how_long_before_any_model_is_finished(board):
    planned = dataclasses.replace(
        board, models=tuple(dataclasses.replace(model, planned=40.0) for model in board.models)
    )
    assert Follower(planned).read().remaining() == pytest.approx(80)  # four of 40 s, two at once


def test_what_an_earlier_command_left_is_waiting(board, say):
    say(0, "training", updated=board.began - 1)
    assert len(Follower(board).read().of("waiting")) == 4


def test_a_failure_is_listed_with_its_first_line_and_its_log(board, say):
    say(2, "failed", failure="training diverged at step 1")
    snapshot = Follower(board).read()
    log = board.runs / "model2" / "log.txt"
    assert f"  failed    row 2, seed 0: training diverged at step 1 (log: {log})" in text(snapshot).splitlines()
    assert "training diverged at step 1" in page(snapshot) and str(log) in page(snapshot)
    say(3, "failed", failure="<b>")
    assert "&lt;b&gt;" in page(Follower(board).read())


def test_an_error_is_in_the_log_with_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), Recorder(tmp_path, 3, device="cpu"):
        1 / 0  # noqa: B018
    status = read_status(tmp_path)
    assert (status.state, status.failure, status.epochs) == ("failed", "division by zero", 3)
    assert "Traceback (most recent call last)" in (tmp_path / "log.txt").read_text()
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path, 3, device="cpu"):
        raise KeyboardInterrupt
    assert read_status(tmp_path).state == "interrupted"


def test_a_status_is_written_over_the_earlier_one_in_one_piece(tmp_path):
    for failure in ("é" * 300, ""):
        write_status(Status("failed", failure=failure), tmp_path)
        assert read_status(tmp_path).failure == failure
    (tmp_path / "status.json").write_text('{"state": "fai')
    assert read_status(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_sweep_into_a_file_says_plain_lines_and_each_model_its_own(tmp_path, capsys, monkeypatch):
    def one_after_the_other(work, jobs, workers, lost, started):
        yield from map(work, jobs)

    monkeypatch.setattr("snnvtg.sweeps.executors.local.in_processes", one_after_the_other)
    small = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
    runs, base = tmp_path / "runs", trial_of("demo", TINY, data=small)
    run_sweeps([parse_sweep(DIVERGES)], base, [tmp_path / "rates.csv"], runs)
    said = capsys.readouterr().err
    assert not CONTROL.search(said) and "rates: 2 models: 1 finished, 1 failed" in said.splitlines()[-1]
    (failed,) = [line for line in said.splitlines() if line.startswith("failed far, seed 0 · training diverged")]
    log = Path(failed.rpartition("log: ")[2])
    assert "epoch 1 of 2: loss" in log.read_text() and "Traceback" in log.read_text()
    events = (runs / "progress/rates.log").read_text()
    assert not CONTROL.search(events)
    assert [line[20:].partition(" · ")[0] for line in events.splitlines() if "started" not in line] == [
        "finished usual (and 1 more), seed 0",
        "failed far, seed 0",
    ]
    (finished,) = [status for status in map(read_status, runs.glob("spikemba*")) if status.state == "finished"]
    assert finished.epoch == 2 and finished.train_seconds > 0 and finished.measure_seconds > 0
    assert finished.peak_mb is None or finished.peak_mb > 10


def test_quiet_shows_nothing(board, say, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with followed(board):
        say(0, "failed", failure="why")
    said = capsys.readouterr()
    assert not said.err and not said.out
    assert "failed row 0, seed 0 · why" in board.log.read_text()


def test_workers_of_one_sweep_share_a_board(tmp_path):
    small = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
    sweep, base = parse_sweep(DIVERGES), trial_of("demo", TINY, data=small)
    request = SweepRequest((sweep,), (base,), (tmp_path / "rates.csv",), tmp_path / "runs")
    tables, jobs = request.tables(), unfinished(request.tables())
    first = begin(request.runs, tables, jobs, workers=1, shared=True)
    second = begin(request.runs, tables, jobs[1:], workers=1, shared=True)
    assert [model.name for model in second.models] == ["usual (and 1 more), seed 0", "far, seed 0"]
    assert (second.began, second.log.name) == (first.began, first.log.name)
    alone = begin(request.runs, tables, jobs[1:], workers=1)
    assert len(alone.models) == 1 and read_board(request.runs) == alone


def test_the_command_shows_a_sweep_that_runs_elsewhere(command, board, say, capsys):
    say(0, "finished", train_seconds=2.0)
    say(1, "failed", failure="why not")
    assert command("progress", "--runs", board.runs) == 0
    said = capsys.readouterr().out
    assert "table4: 4 models: 1 finished, 1 failed, 2 waiting" in said and "row 1, seed 0: why not" in said


def test_bad_input_is_one_line(command, board, capsys, tmp_path):
    for options, said in (
        (("--runs", tmp_path), f"{tmp_path}/progress: no sweep was begun there; name the folder that a sweep has"),
        (("--runs", board.runs, "--sweep", "table5"), "table5.json: no such sweep; there are table4"),
        (("--runs", tmp_path / "nowhere"), "nowhere: no such folder; name the one that the sweep has as --runs"),
    ):
        assert command("progress", *options) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    for damage in ("", "[]", '{"workers": 1, "began": 0, "models": [{}]}', '{"models": 3}'):
        board.path.write_text(damage)
        with pytest.raises(InputError, match="not what a sweep wrote"):
            read_board(board.runs)


FINISHES = """
import sys, time
from pathlib import Path
from snnvtg.cli.progress import Options, main
main(Options(runs=Path(sys.argv[1]), watch=True))
"""


def test_in_a_terminal_the_table_is_drawn_over(board, say):
    say(0, "training", epoch=1, train_seconds=1.0)
    process, terminal = pty.fork()
    if not process:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", FINISHES, str(board.runs)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))
    said = b""
    try:
        while chunk := os.read(terminal, 4096):
            said += chunk
            if b"epoch 1 of 4" in said:
                for number in range(4):
                    say(number, "failed" if number == 3 else "finished", train_seconds=2.0, failure="why")
    except OSError:  # the other end is closed
        pass
    assert os.waitpid(process, 0)[1] == 0
    shown = said.decode()
    assert "training  row 0, seed 0" in shown and "\x1b[A" in shown
    assert "failed row 3, seed 0 · why · log: " in shown
    assert "table4: 4 models: 3 finished, 1 failed" in shown.splitlines()[-1]


CELL = """
import time
from pathlib import Path
from snnvtg.sweeps.live import followed
from snnvtg.sweeps.progress import read_board
board = read_board(Path({runs!r}))
with followed(board):
    status = (board.runs / "later.json").read_text()
    (board.runs / "model0" / "status.json").write_text(status)
    time.sleep(1.5)
"""


def test_in_a_notebook_one_table_is_drawn_over(board, say, monkeypatch):
    say(0, "failed", failure="why & how")
    (board.runs / "model0" / "status.json").rename(board.runs / "later.json")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.format(runs=str(board.runs)))])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs  # no second table, nothing on stderr
    assert output.output_type == "display_data"
    assert "1 failed, 3 waiting" in output.data["text/plain"] and "log.txt" in output.data["text/plain"]
    assert "<td>why &amp; how</td>" in output.data["text/html"]


def test_the_view_that_fits(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(fitting_view(), Terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert isinstance(fitting_view(), Lines)
