"""Tables that somebody touched: one line each, and a table that nobody touched is read."""

import json

import pandas as pd
import pytest

from snnvtg.energy.report_trade import trade_table
from snnvtg.errors import InputError
from snnvtg.sweeps.comparison import read_results
from snnvtg.sweeps.report import render

ROWS = ("full", "narrow")


@pytest.fixture
def path(tmp_path):
    """A finished sweep of two rows and two seeds, as the engine writes it."""
    rows, queries = [], []
    for place, row in enumerate(ROWS):
        for seed in (0, 1):
            figures = {"R1@0.5": 50.0 + place, "R1@0.7": 20.0, "mIoU": 40.0 + seed, "firing_rate": 0.1}
            costs = {"energy_pj": 1e6, "parameters": 10, "seconds": 1.5, "recipe": f"r{place}", "run": f"run{place}"}
            rows.append({"row": row, "model": "m", "data": "d", "split": "test", "seed": seed, **figures, **costs})
            for query in range(4):
                own = {"row": row, "model": "m", "seed": seed, "query": query, "video": query // 2}
                queries.append({**own, "R1@0.5": query % 2, "mIoU": 0.25 * query})
    pd.DataFrame(rows).to_csv(tmp_path / "s.csv", index=False)
    pd.DataFrame(queries).to_csv(tmp_path / "s_queries.csv", index=False)
    listed = {"rows": [{"name": row, "model": None, "settings": {}} for row in ROWS], "notes": [], "controls": []}
    declaration = {"name": "s", "title": "A sweep", "reference": "full", "columns": {}, "axes": [], **listed}
    provenance = {"command": "c", "commit": "0", "evaluation": "recall", "declaration": declaration, "identity": {}}
    (tmp_path / "s.json").write_text(json.dumps(provenance))
    return tmp_path / "s.csv"


def said_of(path):
    with pytest.raises(InputError) as caught:
        render(path)
    said = str(caught.value)
    assert "\n" not in said and str(path.parent) in said
    return said


def test_a_table_nobody_touched_is_read(path):
    assert read_results(path).rows == list(ROWS)
    assert "A sweep (d data, test split, 2 seeds)" in render(path)


@pytest.mark.parametrize("name", ["s.csv", "s_queries.csv", "s.json"])
@pytest.mark.parametrize("content", ["", "\n\n", "[]", "[1, 2]", '"', "\x00\x01", "a,b\n1,2\n", "row,model,seed\n"])
def test_a_file_that_holds_something_else(path, name, content):
    path.with_name(name).write_text(content)
    said_of(path)


@pytest.mark.parametrize(
    ("name", "line", "column", "value", "said"),
    [
        ("s.csv", 2, "mIoU", "forty", "s.csv:3: mIoU is 'forty', expected a number"),
        ("s.csv", 1, "energy_pj", "1,5e6", "s.csv:2: energy_pj is '1,5e6'"),
        ("s.csv", 1, "seed", "first", "not a results table"),
        ("s.csv", 1, "seed", "0.5", "not a results table"),
        ("s.csv", 1, "row", "", "a row without a name"),
        ("s.csv", 1, "row", "fulll", "row 'fulll', seed 0 is missing"),
        ("s_queries.csv", 3, "mIoU", "x", "s_queries.csv:4: mIoU is 'x'"),
        ("s_queries.csv", 3, "query", "0", "row 'full' has query 0 twice"),
        ("s_queries.csv", 3, "seed", "7", "row 'full', seed 0 lacks queries"),
    ],
)
def test_an_edited_cell(path, name, line, column, value, said):
    table = pd.read_csv(path.with_name(name), dtype=str)
    table.loc[line - 1, column] = value
    table.to_csv(path.with_name(name), index=False)
    assert said in said_of(path)


@pytest.mark.parametrize(
    "change",
    [
        {"declaration": None},
        {"declaration": []},
        {"declaration": {}},
        {"evaluation": "nonsense"},
        {"evaluation": []},
        *({"declaration": {name: 3}} for name in ("rows", "title", "reference", "columns", "notes", "controls")),
        {"declaration": {"rows": [3]}},
        {"declaration": {"rows": [{}]}},
    ],
)
def test_edited_provenance(path, change):
    content = json.loads(path.with_suffix(".json").read_text())
    if change.get("declaration"):
        change = {"declaration": content["declaration"] | change["declaration"]}
    path.with_suffix(".json").write_text(json.dumps(content | change))
    said_of(path)


@pytest.mark.parametrize("content", ["", "[]", "a,b\n1,2\n", "num_timesteps,energy_pj,mIoU\n1,much,2\n", "\x00"])
def test_the_energy_report_says_what_is_wrong_with_a_sweeps_table(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    models = pd.DataFrame({"cost_model": ["45nm_fp32"], "num_timesteps": [1], "spiking_pj": [1.0]})
    accuracy = pd.DataFrame({"num_timesteps": [1], "mIoU": [50.0]})
    with pytest.raises(InputError, match=r"t\.csv: expected the CSV of experiments/timestep_sweep.py.*") as caught:
        trade_table(models, accuracy, "mIoU", tmp_path / "t.csv")
    assert "\n" not in str(caught.value)
