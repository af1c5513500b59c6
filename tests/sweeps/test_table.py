import json

import pandas as pd
import pytest

from snnvtg.errors import InputError
from snnvtg.sweeps.table import ResultsTable

KEY, COLUMNS = ("model", "steps"), ("model", "steps", "value")


def opened(path, identity="first"):
    return ResultsTable(path / "t.csv", {"study": identity}, KEY, COLUMNS)


def test_rows_come_out_sorted_with_whole_numbers_whole(tmp_path):
    table = opened(tmp_path)
    table.add([{"model": "b", "steps": 10, "value": 0.1}, {"model": "b", "steps": 2, "value": 1 / 3}])
    table.add([{"model": "a", "value": 5.0, "extra": "x"}])
    assert (tmp_path / "t.csv").read_text() == "model,steps,value,extra\na,,5.0,x\nb,2,0.3333333333333333,\nb,10,0.1,\n"


def test_a_table_opened_again_knows_its_rows_and_writes_the_same_bytes(tmp_path):
    first = opened(tmp_path)
    first.add([{"model": "a"}, {"model": "b", "steps": 2, "value": 1 / 3}])
    before = (tmp_path / "t.csv").read_text()
    again = opened(tmp_path)
    assert again.holds(model="b", steps=2)
    assert again.holds(model="a")
    assert not again.holds(model="b", steps=3)
    again.add([])
    assert (tmp_path / "t.csv").read_text() == before


@pytest.mark.parametrize("recipe", ["12345e678901", "123456789012", "000000000012"])
def test_a_digest_that_looks_like_a_number_stays_as_it_is(recipe, tmp_path):
    opened(tmp_path).add([{"model": "a", "recipe": recipe}, {"model": "b"}])
    again = opened(tmp_path)
    assert again.rows[0]["recipe"] == recipe
    before = (tmp_path / "t.csv").read_text()
    again.add([])
    assert (tmp_path / "t.csv").read_text() == before


def test_rows_of_another_study_are_refused(tmp_path):
    opened(tmp_path).add([{"model": "a"}])
    with pytest.raises(InputError, match=r"t\.csv: holds rows of another sweep \(differs in study\)"):
        opened(tmp_path, "second")


def test_rows_without_provenance_are_refused(tmp_path):
    pd.DataFrame({"model": ["a"]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"t\.json beside it is missing or unreadable"):
        opened(tmp_path)


def test_provenance_names_command_commit_and_details(tmp_path):
    opened(tmp_path).add([{"model": "a"}], seconds=3)
    beside = json.loads((tmp_path / "t.json").read_text())
    assert {"command", "commit", "packages", "device", "identity", "seconds"} <= beside.keys()


def test_nothing_is_lost_when_writing_fails(tmp_path, monkeypatch):
    table = opened(tmp_path)
    table.add([{"model": "a", "value": 1}])
    before = (tmp_path / "t.csv").read_text()

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="no space"):
        table.add([{"model": "b"}])
    assert (tmp_path / "t.csv").read_text() == before
    assert not list(tmp_path.glob(".t-*"))
