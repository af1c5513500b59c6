"""Files of ranked videos (PRVR): read, scored, compared."""

import csv
import json

import numpy as np
import pytest

from snnvtg.data import write_annotations
from snnvtg.data.video_rankings import read_video_rankings, write_video_rankings
from snnvtg.errors import InputError
from snnvtg.metrics.video_retrieval import ranking_ranks
from snnvtg.records import Query

QUERIES = [Query(i, f"query {i}", f"v{i}", 10.0, ((0.0, 5.0),)) for i in range(4)]


def test_ranks_worked_by_hand():
    rankings = {
        0: {"v0": 3.0, "v1": 2.0},  # first
        1: {"v2": 3.0, "v1": 2.0, "v0": 2.0},  # one above, one of the same score: third
        2: {"v0": 1.0, "v2": -5.0},  # second
        3: {"v0": 1.0, "v1": 0.0},  # not listed: behind both, and v2 is not listed either: last of four
    }
    assert ranking_ranks(rankings, QUERIES).tolist() == [1, 3, 2, 4]


def test_what_does_not_fit_the_annotations_is_named():
    whole = {i: {"v0": 1.0} for i in range(4)}
    with pytest.raises(InputError, match=r"qid 3 has no ranking \(1 such\)"):
        ranking_ranks({i: whole[i] for i in range(3)}, QUERIES)
    with pytest.raises(InputError, match="qid 9 is ranked but not annotated"):
        ranking_ranks(whole | {9: {"v0": 1.0}}, QUERIES)
    with pytest.raises(InputError, match="qid 2 ranks 'other', which is no video of the annotations"):
        ranking_ranks(whole | {2: {"other": 1.0}}, QUERIES)


def test_a_written_file_reads_back_and_is_scored_and_compared(command, tmp_path, capsys):
    write_annotations(QUERIES, tmp_path / "test.jsonl")
    vids = [query.vid for query in QUERIES]
    good = [dict(zip(vids, row, strict=True)) for row in np.eye(4).tolist()]
    bad = [{vid: -score for vid, score in ranking.items()} for ranking in good]
    write_video_rankings(QUERIES, good, tmp_path / "good.jsonl")
    write_video_rankings(QUERIES, bad, tmp_path / "bad.jsonl")
    assert json.loads((tmp_path / "good.jsonl").read_text().splitlines()[1])["pred_videos"][0] == ["v1", 1.0]
    assert read_video_rankings(tmp_path / "good.jsonl") == dict(enumerate(good))
    files = ("--task", "video_retrieval", "--annotations", tmp_path / "test.jsonl", "--dataset", "charades_sta")
    out = ("--out", tmp_path / "m.json", "--per-query", tmp_path / "q.csv")
    assert command("evaluate", *files, "--submission", tmp_path / "bad.jsonl", *out) == 0
    brief = json.loads((tmp_path / "m.json").read_text())["brief"]
    # the own video is last of four
    assert brief == {"R@1": 0.0, "R@5": 100.0, "R@10": 100.0, "R@100": 100.0, "SumR": 300.0}
    assert [row["SumR"] for row in csv.DictReader((tmp_path / "q.csv").open())] == ["3.0"] * 4
    pair = ("--first", tmp_path / "good.jsonl", "--second", tmp_path / "bad.jsonl", "--out", tmp_path / "table.csv")
    assert command("compare", *files, *pair) == 0
    rows = {row["figure"]: row for row in csv.DictReader((tmp_path / "table.csv").open())}
    assert (float(rows["SumR"]["difference"]), float(rows["R@1"]["low"])) == (100, 100)
    capsys.readouterr()
    # a grounding submission is another file
    (tmp_path / "other.jsonl").write_text('{"qid": 1, "pred_relevant_windows": [[0, 1, 1]]}\n')
    assert command("evaluate", *files, "--submission", tmp_path / "other.jsonl") == 2
    error = capsys.readouterr().err
    assert "other.jsonl:1: key 'pred_videos' is missing" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pred_videos": []}, "is empty; rank at least one video"),
        ({"pred_videos": [["a", 1], ["a", 2]]}, "has video 'a' twice"),
        ({"pred_videos": [["a"]]}, "expected a list of 2"),
        ({"pred_videos": [[1, 2]]}, "a vid that is no text"),
        ({"pred_videos": [["a", "b"]]}, "expected a number"),
        ({"pred_videos": [["a", float("nan")]]}, "expected a finite number"),
        ({"qid": 1.5}, "'qid' is 1.5"),
    ],
)
def test_a_fault_names_its_line(tmp_path, change, said):
    good = {"qid": 0, "pred_videos": [["a", 1.0]]}
    (tmp_path / "r.jsonl").write_text(json.dumps(good) + "\n" + json.dumps({**good, "qid": 2, **change}) + "\n")
    with pytest.raises(InputError) as caught:
        read_video_rankings(tmp_path / "r.jsonl")
    assert "r.jsonl:2: " in str(caught.value) and said in str(caught.value)
