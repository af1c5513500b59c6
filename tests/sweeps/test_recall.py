import json

import numpy as np
import pandas as pd
import pytest

from snnvtg.errors import InputError
from snnvtg.page.drawings import drawings
from snnvtg.page.sources import read_sources
from snnvtg.sweeps.comparison import differences, per_query, read_results
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.recall import recall_differences, tables_of_moments
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
    found = recall_differences(tables_of_moments(tables), (0.2, 0.5)).set_index(["row", "threshold"])
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
    copies = [copied(path, tmp_path) for path in tables]
    beside = copies[1].with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"data_checksum": "other"}))
    with pytest.raises(InputError, match=r"other\.csv: other data than .*parts\.csv"):
        tables_of_moments(copies)
    with pytest.raises(InputError, match=r"other\.csv: no row to compare with; name one with --reference: wide"):
        tables_of_moments(copies[1:])
    assert recall_differences(tables_of_moments(tables, "without-slots"), [0.5])["row"].unique().tolist() == [
        "full",
        "wide",
    ]


def copied(path, folder):
    """The table's three files in another folder."""
    for end in (".csv", ".json", "_queries.csv"):
        (folder / (path.stem + end)).write_bytes(path.with_name(path.stem + end).read_bytes())
    return folder / path.name


def test_rows_that_were_asked_something_else_are_refused(tables, tmp_path):
    path = copied(tables[0], tmp_path)
    beside = path.with_suffix(".json")
    said = json.loads(beside.read_text())
    said["declaration"]["rows"][1]["settings"] = {"data.synthetic.seed": "3"}
    beside.write_text(json.dumps(said))
    with pytest.raises(InputError, match="row 'without-slots' answers other queries than 'full'; choose rows"):
        recall_differences(tables_of_moments([path]))
    assert differences(read_results(path)).empty
    others = copied(tables[0], tmp_path)
    queries = others.with_name("parts_queries.csv")
    each = pd.read_csv(queries)
    each.loc[each["row"] == "without-slots", "query"] += 100
    each.to_csv(queries, index=False)
    with pytest.raises(InputError, match="row 'without-slots' answers other queries"):
        recall_differences(tables_of_moments([others]))
    assert differences(read_results(others)).empty


def test_a_name_that_two_models_have_is_refused_and_a_model_under_two_names_is_there_once(tables, tmp_path):
    path = copied(tables[0], tmp_path)
    assert list(recall_differences(tables_of_moments([tables[0], path]), [])["row"]) == ["without-slots"]
    lines = pd.read_csv(path)
    lines.loc[lines["row"] == "without-slots", "recipe"] = "another"
    lines.to_csv(path, index=False)
    with pytest.raises(InputError, match="row 'without-slots' is another model in two of the tables"):
        recall_differences(tables_of_moments([tables[0], path]), [])


def test_what_cannot_be_compared_is_said(tables, tmp_path):
    with pytest.raises(InputError, match=r"--reference: .*parts\.csv has no row 'slim'; its rows: full, without-slots"):
        tables_of_moments(tables, "slim")
    with pytest.raises(InputError, match="no row has figures to compare with those of 'wide'"):
        recall_differences(tables_of_moments(tables[1:], "wide"))


def test_the_command_writes_table_figure_and_origin(tables, tmp_path, command, capsys):
    out = tmp_path / "recall.csv"
    words = ["--tables", *tables, "--rows", "wide"]
    assert command("tools/recall_differences", *words, "--out", out) == 0
    assert set(pd.read_csv(out)["row"]) == {"wide"} and out.with_suffix(".png").is_file()
    assert json.loads(out.with_suffix(".json").read_text())["reference"] == "full"
    assert "differences from full, in points" in capsys.readouterr().out
    assert "recall" in [drawing.name for drawing in drawings(read_sources(tmp_path))]  # drawn again from its table
    before = tables[0].read_bytes()
    assert command("tools/recall_differences", *words, "--out", tables[0]) == 2
    assert "is one of the --tables; name another file" in capsys.readouterr().err
    assert tables[0].read_bytes() == before
    assert command("tools/recall_differences", *words, "slim") == 2
    assert "error: --rows: no row 'slim'; expected some of wide, without-slots" in capsys.readouterr().err
