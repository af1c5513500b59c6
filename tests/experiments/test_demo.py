"""The model, video and words that come with the package: they load, are small, and answer."""

import json

import pytest

from snnvtg.applications.demo import DEMO
from snnvtg.training import load_checkpoint

STALE = "run python experiments/tools/make_demo.py"


@pytest.fixture
def ask(command, monkeypatch, tmp_path, capsys):
    """Run `ground` in an empty folder; its status and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return command("ground", *arguments), capsys.readouterr()

    return run


def test_a_first_question_needs_no_argument_and_is_answered_rightly(ask, tmp_path):
    status, said = ask("--json", "answer.json")
    assert status == 0, f"{said.err}: {STALE}"
    (true_start, true_end), *_ = DEMO.asked()["relevant_windows"]
    start, end, _ = json.loads((tmp_path / "answer.json").read_text())["pred_relevant_windows"][0]
    inner = min(end, true_end) - max(start, true_start)
    assert inner / (end - start + true_end - true_start - inner) > 0.65, STALE
    assert f"“{DEMO.asked()['query']}” is at {true_start:g} s – {true_end:g} s" in said.out
    assert (tmp_path / "ground.png").is_file()


def test_the_demo_takes_other_words_and_names_those_it_knows(ask):
    status, said = ask("--query", "someone carries the red box zzxqy")
    assert status == 0 and "does not know zzxqy" in said.out and "--query takes the words a, " in said.out
    assert " is at " not in said.out  # where that is, nobody has said
    assert ask("--query", "zzxqy qqwv")[0] == 2


def test_an_argument_that_lacks_its_fellows_is_named(ask):
    status, said = ask("--text", "glove.txt")
    assert status == 2
    assert said.err == "error: --features: is not given; expected --features, --text and --query, or none of them\n"


def test_the_demo_is_small_and_says_no_path_of_a_machine():
    assert sum(file.stat().st_size for file in DEMO.folder.iterdir()) < 1_000_000
    checkpoint = load_checkpoint(DEMO.checkpoint)
    assert checkpoint.text_name == "glove" and len(checkpoint.text_marks) == len(DEMO.known_words())
