"""Benchmarks refuse in one line, before they measure, what would fail after minutes."""

import pytest

SCAN = "backend,device,dtype,L,B,D,N,direction,median_ms,peak_mb,max_rel_err,threads\n"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("benchmarks/scan", ["--lengths", "0"], "--lengths: expected numbers from 1"),
        ("benchmarks/first_minute", ["--repeats", "0"], "--repeats: expected numbers from 1"),
        ("benchmarks/first_minute", ["--before", "nowhere"], "nowhere: no checkout of this toolkit"),
        ("benchmarks/scan", ["--threads", "0"], "--threads: expected numbers from 1 to 1024"),
        ("benchmarks/scan", ["--budget", "nan"], "--budget: expected seconds above 0, got nan"),
        ("benchmarks/scan", ["--backends", "nonsense"], "nonsense: there is no such backend"),
        ("benchmarks/train_step", ["--batch-sizes", "0"], "--batch-sizes: expected numbers from 1"),
        ("benchmarks/train_step", ["--rival-batch-sizes", "-1"], "--rival-batch-sizes: expected numbers from 1"),
        ("benchmarks/train_step", ["--budget", "-1"], "--budget: expected seconds"),
        ("benchmarks/train_step", ["--modes", "foo"], "got foo"),
        ("benchmarks/train_step", ["--modes", "graph"], "graph on a GPU only"),
    ],
)
def test_a_bad_option(command, tmp_path, capsys, name, arguments, message):
    assert command(name, *arguments, "--out", str(tmp_path / "table.csv")) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n", "table.csv: no table of this benchmark (no column backend)"),
        ("", "table.csv: not a table"),
        (SCAN + "cpu,cpu,float32,75,16,512,16,forward,1.0\n", "table.csv:2: no peak_mb"),
    ],
)
def test_a_table_that_is_something_else_is_left_as_it_is(command, tmp_path, capsys, content, message):
    table = tmp_path / "table.csv"
    table.write_text(content)
    assert command("benchmarks/scan", "--lengths", "3", "--backends", "cpu", "--out", str(table)) == 2
    assert message in capsys.readouterr().err
    assert table.read_text() == content


@pytest.mark.parametrize("name", ["benchmarks/scan", "benchmarks/train_step"])
def test_a_place_that_cannot_be_written(command, tmp_path, capsys, name):
    (tmp_path / "file").write_text("kept")
    for place, why in ((tmp_path, "it is a folder"), (tmp_path / "file" / "x.csv", "cannot be written")):
        assert command(name, "--out", str(place)) == 2
        assert why in capsys.readouterr().err
