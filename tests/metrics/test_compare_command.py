import csv

import pytest

from snnvtg.data import write_annotations
from snnvtg.data.submissions import write_submission


def test_two_models_of_several_seeds_are_compared(command, tmp_path, query, prediction, capsys):
    queries = [query(i, (0.0, 10.0)) for i in range(20)]
    write_annotations(queries, tmp_path / "test.jsonl")
    files = {}
    # IoU 0.8 in both seeds of the first, 0.6 in the only seed of the second
    for name, stop in (("a0", 8), ("a1", 8), ("b0", 6)):
        files[name] = tmp_path / f"{name}.jsonl"
        write_submission([prediction(i, (0, stop, 1)) for i in range(20)], files[name])
    arguments = ["--first", files["a0"], files["a1"], "--second", files["b0"], "--annotations", tmp_path / "test.jsonl"]
    arguments += ["--dataset", "charades_sta", "--out", tmp_path / "table.csv"]
    assert command("compare", *arguments) == 0
    rows = {row["figure"]: row for row in csv.DictReader((tmp_path / "table.csv").open())}
    assert {key: float(rows["mIoU"][key]) for key in ("first", "second", "difference", "low", "high", "ahead")} == (
        pytest.approx({"first": 80, "second": 60, "difference": 20, "low": 20, "high": 20, "ahead": 1})
    )
    assert float(rows["R1@0.5"]["difference"]) == 0 and float(rows["R1@0.5"]["ahead"]) == 0.5
    assert "mIoU" in capsys.readouterr().out
