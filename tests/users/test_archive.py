"""A folder of videos asked in words: trained, indexed, searched, added to."""

import json
import sys

import numpy as np
import pytest

from snnvtg.applications.store import Store

SMALL = ("width=8", "num_heads=2", "num_clips=4", "max_frames=16", "state_size=2", "fusion=none")


@pytest.fixture
def trained(command, quick, tmp_path):
    settings = [argument for given in SMALL for argument in ("--set", f"model.{given}")]
    out = tmp_path / "run"
    assert command("train", "--model", "mamfusion", *quick, *settings, "--out", out) == 0
    return out / "best.pt"


@pytest.fixture
def indexed(command, trained, moments, tmp_path):
    """The store of the test split's two videos, and what makes it anew."""
    make = ("--checkpoint", trained, "--data", moments, "--out", tmp_path / "store")
    assert command("index", *make, "--split", "test") == 0
    return tmp_path / "store", make


def test_videos_are_indexed_searched_and_added(command, indexed, tmp_path, capsys):
    store, make = indexed
    assert Store(store).vids() == {"test_0", "test_1"}
    asked = ("--query", "a person opens the door", "person closes", "--json", tmp_path / "answer.json")
    assert command("search", "--store", store, *asked) == 0
    assert "2 videos; exact search" in capsys.readouterr().out
    answers = json.loads((tmp_path / "answer.json").read_text())["answers"]
    assert [answer["query"] for answer in answers] == ["a person opens the door", "person closes"]
    for answer in answers:
        assert {vid for vid, _ in answer["pred_videos"]} == {"test_0", "test_1"}
        assert all(0 <= start < end <= 8 for start, end in answer["pred_windows"])
    assert command("index", *make) == 0
    assert "8 videos added" in capsys.readouterr().out and len(Store(store)) == 10
    assert command("index", *make) == 0
    assert "0 videos added" in capsys.readouterr().out


def test_words_that_the_vectors_lack_are_named(command, indexed, capsys):
    store, _ = indexed
    capsys.readouterr()
    assert command("search", "--store", store, "--query", "a person opens zzxqy") == 0
    assert "does not know zzxqy: the answer is to the other words" in capsys.readouterr().out
    assert command("search", "--store", store, "--query", "zzxqy qqwv") == 2


def test_a_search_ranks_as_the_model_does(command, indexed, trained, moments, tmp_path):
    store, _ = indexed
    ranked, found = tmp_path / "ranked.jsonl", tmp_path / "answer.json"
    assert command("predict", "--checkpoint", trained, "--data", moments, "--out", ranked) == 0
    line = json.loads(ranked.read_text().splitlines()[0])
    assert command("search", "--store", store, "--query", line["query"], "--json", found) == 0
    [answer] = json.loads(found.read_text())["answers"]
    assert [vid for vid, _ in answer["pred_videos"]] == [vid for vid, _ in line["pred_videos"]]
    scores = [score for _, score in line["pred_videos"]]
    assert [score for _, score in answer["pred_videos"]] == pytest.approx(scores, abs=1e-5)


def test_a_long_video_is_stored_in_parts_and_found_where_it_shows(command, trained, moments, tmp_path):
    folder, store = tmp_path / "clip", tmp_path / "store"
    folder.mkdir()
    np.savez(folder / "long.npz", features=np.random.default_rng(0).standard_normal((21, 6)))
    text = ("--text", moments / "glove.tiny.txt")
    assert command("index", "--checkpoint", trained, "--features", folder, *text, "--out", store) == 0
    [piece] = Store(store).manifest.pieces
    starts = Store(store).parts(piece)[["start", "duration"]].tolist()
    assert starts == [(0, 8), (4, 8), (8, 8), (12, 8), (13, 8)]


def test_a_damaged_video_is_named_and_those_before_it_are_kept(command, trained, moments, tmp_path, capsys):
    folder, store = tmp_path / "clip", tmp_path / "store"
    folder.mkdir()
    np.savez(folder / "a.npz", features=np.ones((5, 6)))
    (folder / "b.npz").write_bytes(b"broken")
    made = ("--checkpoint", trained, "--features", folder, "--text", moments / "glove.tiny.txt", "--out", store)
    assert command("index", *made, "--batch-size", 1) == 2
    said = capsys.readouterr().err
    assert "b.npz: damaged" in said and "(1 videos before it are in the store)" in said
    assert Store(store).vids() == {"a"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "--data or --features: expected one of them"),
        (("--features", ".", "--split", "test"), "--split belongs to --data"),
        (("--data", ".", "--batch-size", 0), "batch_size is 0; expected at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_read(command, tmp_path, capsys, given, words):
    assert command("index", "--checkpoint", tmp_path / "none.pt", "--out", tmp_path / "store", *given) == 2
    assert words in capsys.readouterr().err


def test_faults_of_a_search_are_one_line(command, indexed, tmp_path, capsys):
    store, _ = indexed
    for given, words in (
        (("--store", tmp_path / "nowhere", "--query", "door"), "no such store; make one with experiments/index.py"),
        (("--store", store, "--query", " "), "query is empty; ask in a sentence"),
        (("--store", store, "--query", "door", "--top", 0), "top is 0; expected at least 1"),
        (("--store", store, "--query", "door", "--method", "faiss"), "approximate index"),
    ):
        assert command("search", *given) == 2
        assert words in capsys.readouterr().err


def test_faiss_is_asked_for_before_any_video_is_read(command, trained, moments, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    made = ("--checkpoint", trained, "--data", moments, "--out", tmp_path / "store")
    assert command("index", *made, "--faiss") == 2
    assert "pip install 'snnvtg[faiss]'" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_model_that_only_grounds_cannot_be_indexed(command, quick, moments, tmp_path, capsys):
    sizes = [a for given in ("width=16", "num_blocks=1", "num_heads=2") for a in ("--set", f"model.{given}")]
    assert command("train", *quick, *sizes, "--out", tmp_path / "run") == 0
    made = ("--checkpoint", tmp_path / "run" / "best.pt", "--data", moments, "--out", tmp_path / "store")
    assert command("index", *made) == 2
    assert "has no `video_vectors` to search by; choose another model" in capsys.readouterr().err
