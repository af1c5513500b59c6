"""A batch read in shares trains what the whole batch trains: by processes, in pieces, or both."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models import MODELS, Recipe, TrainingConfig
from snnvtg.records import Query
from snnvtg.sweeps.settings import trial_of
from snnvtg.training import load_checkpoint
from snnvtg.training.shared import cut
from tests.training.several import DATA, Job, Own, OwnConfig, run_job, run_jobs

ROOT = Path(__file__).parents[2]
SIZES = ["model.width=8", "model.num_blocks=1", "model.num_heads=2", "model.dropout=0", "model.input_dropout=0"]
SPIKEMBA = [*SIZES, "model.num_slots=1", "model.state_size=2", "model.match_dropout=0"]
TINY = {
    "spikemba": [*SPIKEMBA, "model.loss.rate=3", "model.loss.rate_target=0.01", "model.loss.saliency=1"],
    "spikemba_retrieval": SPIKEMBA[:-1],
    "transformer": [*SIZES, "model.match_dropout=0"],
    "mrnet": ["model.width=8", "model.dropout=0", "model.input_dropout=0", "model.mlp_dropout=0"],
    "r2_tuning": ["model.width=8", "model.head_dropout=0", "model.input_dropout=0", "model.drop_path=0"],
    "mamfusion": ["model.width=8", "model.dropout=0", "model.input_dropout=0"],
}
RIDGE = ["model.alignment=ridge", "model.proposal_current=printed", "model.match_features=none"]
FURTHER = {
    "spikemba-batch-negatives": ("spikemba", ["model.loss.contrastive_form=symmetric", *RIDGE]),
    "mrnet-moments": ("mrnet", ["model.head=moments", "model.queries=multi"]),
    "mrnet-spiking": ("mrnet", ["model.spiking=both"]),
    "r2_tuning-spiking": ("r2_tuning", ["model.spiking=both"]),
    "mamfusion-spiking": ("mamfusion", ["model.spiking=both"]),
    "mamfusion-released": ("mamfusion", ["model.fusion=released"]),
}
TRAINING = ["training.epochs=2", "training.batch_size=7", "training.word_dropout=0.2", "training.ema_decay=0.9"]
BF16 = ["training.precision=bf16", "training.accumulate=2"]
"""refused on the device `cpu`, by that name"""


def recipe_of(model, *settings):
    return trial_of("demo", [*TINY[model], *TRAINING, *settings], model=model).recipe


def own(form="sound", **training):
    return Recipe(Own, OwnConfig(form), TrainingConfig(epochs=2, batch_size=7, learning_rate=1e-2, **training))


def assert_alike(ours, theirs):
    """Histories to rounding; weights of processes that train together are compared bit by bit elsewhere."""
    assert not isinstance(ours, str) and not isinstance(theirs, str), (ours, theirs)
    for mine, other in zip(ours[0], theirs[0], strict=True):
        assert mine == pytest.approx(other, rel=1e-5, abs=1e-5)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes make of several jobs, by name: starting them takes longer than the jobs."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("from-one", "from-two")}
    longer = recipe_of("spikemba", "training.epochs=3")
    assert run_job(Job(longer, folders["from-one"], cut_after=1)) == "cut"
    jobs = {
        "spikemba": Job(recipe_of("spikemba")),
        "retrieval": Job(recipe_of("spikemba_retrieval")),
        "pieces": Job(recipe_of("spikemba", "training.accumulate=2")),
        "bf16": Job(recipe_of("transformer", *BF16), device="cpu:0"),
        "own": Job(own()),
        "batch norm": Job(own("batch norm")),
        "own statistics": Job(own("own statistics")),
        "number": Job(own("number")),
        "other axis": Job(own("other axis")),
        "other queries": Job(recipe_of("spikemba", "model.loss.query_contrast=0.5")),
        "other data": [Job(own()), Job(own(), data=dataclasses.replace(DATA, num_train=16))],
        "from-one": Job(longer, folders["from-one"]),
        "from-two": Job(longer, folders["from-two"], cut_after=1),
        "another recipe": Job(own(), folders["from-two"]),
    }
    return dict(zip(jobs, run_jobs(list(jobs.values()), 2), strict=True)) | {"folders": folders}


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("spikemba", recipe_of("spikemba")),
        ("retrieval", recipe_of("spikemba_retrieval")),
        ("pieces", recipe_of("spikemba", "training.accumulate=2")),
        ("own", own()),
    ],
)
def test_two_processes_train_what_one_does(two, name, recipe):
    first, second = two[name]
    assert_alike(first, run_job(Job(recipe)))
    assert first[0] == second[0]
    assert all(torch.equal(first[1][key], second[1][key]) for key in first[1])


def test_bf16_and_pieces_train_to_the_rounding_of_bf16_what_one_process_does(two):
    whole = run_job(Job(recipe_of("transformer", BF16[0]), device="cpu:0"))
    for mine, other in zip(two["bf16"][0][0], whole[0], strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=0.01)
    plain = run_job(Job(recipe_of("transformer")))
    assert whole[0][0]["loss"] != pytest.approx(plain[0][0]["loss"], rel=1e-5)


@pytest.mark.parametrize("name", ["from-one", "from-two"])
def test_a_run_goes_on_with_another_number_of_processes(two, name):
    recipe = recipe_of("spikemba", "training.epochs=3")
    resumed = two["from-one"][0] if name == "from-one" else run_job(Job(recipe, two["folders"]["from-two"]))
    assert_alike(resumed, run_job(Job(recipe)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("batch norm", r"^norm: BatchNorm1d has the statistics of one process's share alone; use snnvtg.*Masked"),
        ("own statistics", r"^seen of the model differs between processes \d and \d: .*layers\.shares\.summed"),
        ("number", r"^output\['number'\] is a float: shares of a batch are joined from tensors alone; .*samples_on"),
        (
            "other axis",
            r"^output\['first'\] is \(8, \d\) for a share of \d queries, expected them on axis 0; .*samples",
        ),
        ("other queries", r"^loss\.query_contrast needs the whole batch; train in one process"),
        ("other data", r"^process 1 of this run has other settings, data or seed than process 0"),
        ("another recipe", r"last\.pt: belongs to a run with other settings"),
    ],
)
def test_what_cannot_be_right_in_shares_is_refused_in_one_line(two, name, said):
    for line in two[name]:
        assert isinstance(line, str) and re.search(said, line) and "\n" not in line, line


@pytest.mark.parametrize("model", ["transformer", "r2_tuning", "mamfusion"])
def test_pieces_of_a_batch_train_what_the_whole_does_without_batch_statistics(model):
    whole, pieces = (run_job(Job(recipe_of(model, f"training.accumulate={count}"))) for count in (1, 3))
    assert_alike(pieces, whole)


def test_pieces_have_their_own_batch_statistics_and_move_the_running_ones_once_each():
    whole, pieces = (run_job(Job(recipe_of("spikemba", f"training.accumulate={count}"))) for count in (1, 3))
    assert pieces[0][0]["loss"] == pytest.approx(whole[0][0]["loss"], rel=0.05)
    assert pieces[0][0]["loss"] != pytest.approx(whole[0][0]["loss"], rel=1e-4)


def test_with_dropout_pieces_are_read_twice_with_the_same_draws():
    training = TrainingConfig(epochs=1, batch_size=6, accumulate=3, learning_rate=1e-3)
    recipe = Recipe(Dropping, OwnConfig(), training)
    run_job(Job(recipe))
    drawn = Dropping.drawn
    assert len(drawn) == 2 * (3 + 3 + 3)
    for batch in range(0, len(drawn), 6):
        once, again = drawn[batch : batch + 3], drawn[batch + 3 : batch + 6][::-1]
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
        assert not torch.equal(once[0], once[1])


class Dropping(Own):
    """Remembers what dropout kept."""

    drawn: list = []  # noqa: RUF012

    def forward(self, batch):
        output = super().forward(batch)
        if self.training:
            keep = torch.nn.functional.dropout(torch.ones(20), 0.5)
            self.drawn.append(keep)
            output["pair"] = (output["pair"][0] * keep.mean(), output["pair"][1])
        return output


def test_more_pieces_than_queries_are_refused():
    with pytest.raises(InputError, match="accumulate: expected a number from 1 to batch_size 4, got 5"):
        TrainingConfig(batch_size=4, accumulate=5)


def queries(vids):
    return [Query(number, "", vid, 1.0) for number, vid in enumerate(vids)]


def test_a_batch_is_cut_evenly_and_a_video_is_not():
    assert cut(queries("abcdefgh"), (0, 8), 3, False) == [(0, 3), (3, 5), (5, 8)]
    assert cut(queries("aaaaabbc"), (0, 8), 2, True) == [(0, 5), (5, 8)]
    assert cut(queries("aaaa"), (0, 4), 2, True) == [(0, 0), (0, 4)]
    assert cut(queries("abcdef"), (2, 5), 3, False) == [(2, 3), (3, 4), (4, 5)]
    assert cut(queries("a"), (0, 1), 4, False) == [(0, 0), (0, 0), (0, 1), (1, 1)]


def everything():
    plain = {model: recipe_of(model) for model in MODELS}
    return plain | {name: recipe_of(model, *settings) for name, (model, settings) in FURTHER.items()}


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_every_model_trains_the_same_in_several_processes(count):
    recipes = everything()
    found = run_jobs([Job(recipe) for recipe in recipes.values()], count)
    wrong = {}
    for (name, recipe), several in zip(recipes.items(), found, strict=True):
        try:
            assert_alike(several[0], run_job(Job(recipe)))
        except AssertionError as error:
            wrong[name] = str(error)
    assert not wrong, wrong


COMMAND = [part for setting in (*SPIKEMBA, "training.epochs=8", "training.batch_size=8") for part in ("--set", setting)]
for setting in ("num_train=22", "num_val=4", "num_test=4"):
    COMMAND += ["--set", f"data.synthetic.{setting}"]


def start(folder, *words, processes=0, restarts=0):
    launch = [sys.executable]
    if processes:
        launch += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        launch += ["--max-restarts", str(restarts)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [*launch, str(ROOT / "experiments" / words[0]), *words[1:]]
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def worker(launcher: int, rank: int) -> int:
    """The process id of a rank that torchrun started."""
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == launcher and f"\0RANK={rank}\0" in (entry / "environ").read_text():
                return int(entry.name)
        except (OSError, ValueError, IndexError):
            continue
    raise AssertionError("no such process")


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [0, 1])
def test_a_run_whose_process_is_killed_ends_as_an_undisturbed_one(tmp_path, restarts):
    undisturbed = start(tmp_path, "train.py", *COMMAND, "--out", "whole")
    assert undisturbed.wait(600) == 0
    running = start(tmp_path, "train.py", *COMMAND, "--out", "killed", processes=2, restarts=restarts)
    last, end = tmp_path / "killed/last.pt", time.monotonic() + 300
    while not last.is_file():
        assert running.poll() is None and time.monotonic() < end, running.communicate()
        time.sleep(0.01)
    os.kill(worker(running.pid, 1), signal.SIGKILL)
    said = running.communicate(timeout=600)
    if restarts:
        assert running.returncode == 0, said
    else:
        assert running.returncode != 0
        again = start(tmp_path, "train.py", *COMMAND, "--out", "killed", processes=2)
        said = again.communicate(timeout=600)
        assert again.returncode == 0, said
    ours, theirs = (load_checkpoint(tmp_path / f"{name}/last.pt").progress["history"] for name in ("killed", "whole"))
    assert len(ours) == 8
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_bad_input_under_torchrun_is_said_once(tmp_path):
    for words, said in (
        (["train.py", "--set", "training.epochs=none"], "error: --set training.epochs=none: "),
        (["ablation.py"], "error: this command works in one process; start it with python"),
        (["train.py", "--device", "cuda:1"], "error: --device cuda:1: torchrun gives each process a device of its own"),
    ):
        running = start(tmp_path, *words, processes=2)
        lines = running.communicate(timeout=300)[1].splitlines()
        assert running.returncode != 0
        assert [line[: len(said)] for line in lines if line.startswith("error: ")] == [said], lines
