import json
from pathlib import Path

import numpy as np
import pytest

from snnvtg.data import load_folder
from snnvtg.data.manifest import check_files

SPLITS = ("train", "val", "test")


@pytest.fixture
def check(folder):
    """The manifest of the small folder."""

    def run(clip_length=1.0, **options):
        annotations = [folder / f"{split}.jsonl" for split in SPLITS]
        return check_files(annotations, [folder / "features" / "clip"], clip_length, **options)

    return run


def test_a_clean_folder_has_the_checksum_of_the_loaded_data(folder, check):
    manifest = check(glove=folder / "glove.tiny.txt")
    assert manifest.faults == ()
    assert (manifest.num_queries, manifest.num_videos, manifest.num_clips, manifest.widths) == (3, 3, 15, (3,))
    assert manifest.checksum == load_folder(folder).checksum


def test_all_faults_are_found_at_once(folder, check, record, write_lines):
    lines = [
        record(7, "video_train", [[1, 3]]),
        "not json",
        record(7, "video_train", [[1, 9]]),
        record(7, "video_train", [[1, 2]]),
        record(8, "absent", [[1, 2]]),
    ]
    write_lines(folder / "train.jsonl", lines)
    clip = folder / "features" / "clip"
    np.savez(clip / "video_val.npz", features=np.full((5, 3), np.inf))
    np.savez(clip / "video_test.npz", features=np.ones((30, 3)))
    manifest = check()
    found = [(fault.kind, Path(fault.place).name, fault.message) for fault in manifest.faults]
    assert [(kind, place) for kind, place, _ in found] == [
        ("annotation", "train.jsonl:2"),
        ("annotation", "train.jsonl:3"),
        ("annotation", "train.jsonl:4"),
        ("missing", "absent.npz"),
        ("features", "video_val.npz"),
        ("length", "video_test.npz"),
    ]
    assert "malformed JSON" in found[0][2]
    assert "ends outside its video" in found[1][2]
    assert "duplicate qid 7" in found[2][2]
    assert "30 rows for 5 s at 1 s per row; 0.167 s would fit" in found[5][2]
    assert manifest.checksum == ""


def test_odd_widths_missing_files_and_folders_are_faults(folder, check):
    np.savez(folder / "features" / "clip" / "video_test.npz", features=np.ones((5, 9)))
    (folder / "val.jsonl").unlink()
    assert [fault.kind for fault in check().faults] == ["annotation", "width"]
    assert [fault.kind for fault in check(glove=folder / "none.txt").faults] == ["annotation", "width", "text"]
    (folder / "features" / "clip").rename(folder / "features" / "clips")
    assert [fault.kind for fault in check().faults] == ["annotation", "missing"]


def test_the_command_ends_with_0_1_or_2(folder, command, capsys, tmp_path):
    annotations = [folder / f"{split}.jsonl" for split in SPLITS]
    features = folder / "features" / "clip"
    assert command("tools/check_data", "--annotations", *annotations, "--features", features) == 0
    assert "no fault found; checksum" in capsys.readouterr().out
    (features / "video_val.npz").write_bytes(b"PK")
    table = tmp_path / "faults.csv"
    assert command("tools/check_data", "--annotations", *annotations, "--features", features, "--out", table) == 1
    assert "1 faults: 1 features" in capsys.readouterr().out
    assert "video_val.npz" in table.read_text()
    assert command("tools/check_data", "--annotations", *annotations, "--features", features, "--clip-length", 0) == 2
    assert capsys.readouterr().err.startswith("error: clip_length is 0")


def test_faults_between_the_files_are_found(folder, check, record, write_lines):
    write_lines(folder / "train.jsonl", [record(0, "video_train", [[1, 3]]), record(3, "video_test", [[1, 3]])])
    write_lines(folder / "val.jsonl", [record(1, "video_val", [[0, 2]]), record(3, "video_val", [[0, 2]])])
    write_lines(folder / "test.jsonl", [record(2, "video_test", [[2, 4]], duration=5.4)])
    found = [(fault.kind, Path(fault.place).name, fault.message) for fault in check().faults]
    assert [(kind, place) for kind, place, _ in found] == [
        ("split", "val.jsonl:2"),
        ("split", "test.jsonl:1"),
        ("duration", "test.jsonl:1"),
    ]
    assert "qid 3 is another query in" in found[0][2] and "train.jsonl (1 in all)" in found[0][2]
    assert "video_test is a video of" in found[1][2] and "(1 in all); a model is tested on what" in found[1][2]
    assert found[2][2].startswith("video_test has 5.4 s here and 5 s at ") and found[2][2].endswith("train.jsonl:2")


def test_a_query_without_a_known_word_is_a_fault(folder, check, record, write_lines):
    write_lines(folder / "val.jsonl", [record(1, "video_val", [[0, 2]], query="zzxqy qqwv")])
    glove = folder / "glove.tiny.txt"
    found = [(fault.kind, Path(fault.place).name, fault.message) for fault in check(glove=glove).faults]
    assert found == [("text", "val.jsonl:1", f"{glove} knows no word of 'zzxqy qqwv'; correct or drop it")]


def test_words_without_a_vector_are_counted_and_shown(folder, check, record, write_lines, command, capsys):
    known = json.loads((folder / "train.jsonl").read_text().splitlines()[0])["query"]
    lines = [json.dumps(record(7, "video_train", [[1, 3]]) | {"query": f"{known} zebra zebra"})]
    write_lines(folder / "train.jsonl", lines)
    manifest = check(glove=folder / "glove.tiny.txt")
    assert dict(manifest.unknown) == {"zebra": 2} and not manifest.faults
    files = [folder / f"{split}.jsonl" for split in SPLITS]
    given = ("--annotations", *files, "--features", folder / "features" / "clip", "--glove", folder / "glove.tiny.txt")
    assert command("tools/check_data", *given) == 0
    said = "1 words without a vector, read as nothing 2 times (most often: zebra 2)"
    assert said in capsys.readouterr().out
