"""A small data set on disk, made by hand."""

import json

import numpy as np
import pytest


def _record(qid, vid, windows, **more):
    known = {"qid": qid, "query": "a person opens the door", "duration": 5.0, "vid": vid, "relevant_windows": windows}
    return {**known, **more}


def _write_lines(path, records):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


@pytest.fixture(scope="session")
def record():
    """qid, vid, windows, further keys → one annotation of a video of 5 s."""
    return _record


@pytest.fixture(scope="session")
def write_lines():
    """path, records (objects or raw lines) → path of the jsonl written."""
    return _write_lines


@pytest.fixture
def folder(tmp_path):
    """Three splits of one query, 5 clips of 1 s, width 3, GloVe of width 2."""
    root = tmp_path / "small"
    features = root / "features" / "clip"
    features.mkdir(parents=True)
    windows = {"train": [[1.0, 3.0]], "val": [[0.0, 2.0]], "test": [[2.0, 4.0]]}
    for qid, (split, truth) in enumerate(windows.items()):
        vid = f"video_{split}"
        _write_lines(root / f"{split}.jsonl", [_record(qid, vid, truth)])
        np.savez(features / f"{vid}.npz", features=np.arange(1.0, 16.0).reshape(5, 3) + qid)
    (root / "glove.tiny.txt").write_text("a 1 0\nperson 0 1\nopens 1 1\nthe 0.5 0\ndoor -1 0.25\n")
    return root
