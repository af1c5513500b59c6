import csv
import functools
import json
import os
from pathlib import Path

import pytest

from snnvtg.data import write_annotations
from snnvtg.data.submissions import write_submission


@pytest.fixture
def evaluate(command):
    """Run the command; its exit status."""

    return functools.partial(command, "evaluate")


@pytest.mark.skipif("SNNVTG_DATA" not in os.environ, reason="SNNVTG_DATA names no folder of real data")
def test_the_file_written_is_the_official_one_byte_for_byte(evaluate, tmp_path, capsys):
    folder = Path(os.environ["SNNVTG_DATA"]) / "qvhighlights"
    submission, annotations = folder / "golden" / "sample_val_preds.jsonl", folder / "highlight_val_release.jsonl"
    arguments = ("--submission", submission, "--annotations", annotations, "--out", tmp_path / "metrics.json")
    assert evaluate(*arguments, "--per-query", tmp_path / "queries.csv") == 0
    golden = (folder / "golden" / "sample_val_preds_metrics_raw.json").read_bytes()
    assert (tmp_path / "metrics.json").read_bytes() == golden
    rows = list(csv.DictReader((tmp_path / "queries.csv").open()))
    assert len(rows) == 1550 and rows[0]["qid"] == "2579"
    assert "MR-full-mAP                32.20  [" in capsys.readouterr().out


def test_charades_figures_and_per_query_values(evaluate, tmp_path, query, prediction):
    queries = [query(1, (0.0, 10.0)), query(2, (0.0, 10.0))]
    write_annotations(queries, tmp_path / "test.jsonl")
    write_submission([prediction(2, (0, 4, 1)), prediction(1, (0, 10, 1))], tmp_path / "preds.jsonl")
    out, rows = tmp_path / "new" / "metrics.json", tmp_path / "queries.csv"
    files = ("--submission", tmp_path / "preds.jsonl", "--annotations", tmp_path / "test.jsonl")
    assert evaluate(*files, "--dataset", "charades_sta", "--out", out, "--per-query", rows) == 0
    brief = json.loads(out.read_text())["brief"]
    assert brief == pytest.approx({"R1@0.3": 100, "R1@0.5": 50, "R1@0.7": 50, "mIoU": 70})
    assert [row["mIoU"] for row in csv.DictReader(rows.open())] == ["1.0", "0.4"]


def test_bad_files_end_with_one_line_and_leave_what_was_written(evaluate, tmp_path, query, prediction, capsys):
    out = tmp_path / "metrics.json"
    out.write_text("earlier figures")
    write_annotations([query(1, (0.0, 10.0))], tmp_path / "val.jsonl")
    (tmp_path / "preds.jsonl").write_text('{"qid": 1, "pred_relevant_windows": [[0, 1, 0.5]]}\n{"qid": 2,\n')
    files = ("--submission", tmp_path / "preds.jsonl", "--annotations", tmp_path / "val.jsonl", "--out", out)
    assert evaluate(*files) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "preds.jsonl:2: malformed JSON" in error
    write_submission([prediction(3, (0, 4, 1))], tmp_path / "preds.jsonl")
    assert evaluate(*files) == 2
    assert "error: qid 1 has no prediction" in capsys.readouterr().err
    assert out.read_text() == "earlier figures"
