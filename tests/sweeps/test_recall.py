import json

import numpy as np
import pandas as pd
import pytest

from snnvtg.errors import InputError
from snnvtg.sweeps.comparison import per_query, read_results
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.recall import recall_differences, same_queries
from snnvtg.sweeps.settings import trial_of
from tests.sweeps.test_over_folds import SMALL, SWEEP, TINY


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recall")
    base, parts = trial_of("demo", TINY, data=SMALL), parse_sweep(SWEEP)
    other = parse_sweep("name: other\ntitle: Other\nseeds: [0]\nrows:\n  wide: {model.width: 12}\n")
    paths = [folder / "parts.csv", folder / "other.csv"]
    run_sweeps([parts, other], base, paths, folder / "runs")
    return paths


def test_a_difference_is_that_of_the_shares_of_queries_whose_window_is_exact_enough(tables):
    found = recall_differences(same_queries(tables), (0.2, 0.5)).set_index(["row", "threshold"])
    assert list(found.index.unique("row")) == ["without-slots", "wide"]
    assert list(found["figure"].unique()) == ["mIoU", "R1@0.2", "R1@0.5"]
    for (row, threshold), line in found.iterrows():
        table = read_results(tables[row == "wide"])
        ours, theirs = per_query(table, row, "mIoU")[1], per_query(read_results(tables[0]), "full", "mIoU")[1]
        exact = [iou if np.isnan(threshold) else iou >= threshold for iou in (ours, theirs)]
        expected = 100 * (exact[0].mean() - exact[1].mean())
        assert line["difference"] == pytest.approx(expected)
        assert line["low"] <= line["difference"] <= line["high"]
        assert line["differs"] == (line["low"] > 0 or line["high"] < 0)


def test_tables_of_other_queries_are_refused(tables, tmp_path):
    copies = [tmp_path / path.name for path in tables]
    for path, copy in zip(tables, copies, strict=True):
        for end in (".csv", ".json", "_queries.csv"):
            copy.with_name(copy.stem + end).write_bytes(path.with_name(path.stem + end).read_bytes())
    beside = copies[1].with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"data_checksum": "other"}))
    with pytest.raises(InputError, match=r"other\.csv: other data or another split than .*parts\.csv"):
        same_queries(copies)
    with pytest.raises(InputError, match=r"other\.csv: no row to compare with; name one with --reference: wide"):
        same_queries(copies[1:])
    assert recall_differences(same_queries(tables, "without-slots"), [0.5])["row"].unique().tolist() == ["full", "wide"]


def test_the_command_writes_table_figure_and_origin(tables, tmp_path, command, capsys):
    out = tmp_path / "recall.csv"
    words = ["--tables", *tables, "--rows", "wide"]
    assert command("tools/recall_differences", *words, "--out", out) == 0
    assert set(pd.read_csv(out)["row"]) == {"wide"} and out.with_suffix(".png").is_file()
    assert json.loads(out.with_suffix(".json").read_text())["reference"] == "full"
    assert command("tools/recall_differences", *words, "slim") == 2
    assert "error: --rows: no row 'slim'; expected some of without-slots, wide" in capsys.readouterr().err
