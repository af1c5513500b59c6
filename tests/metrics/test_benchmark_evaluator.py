import csv
import json

import pytest

from snnvtg.data import write_annotations
from snnvtg.data.submissions import write_submission
from snnvtg.metrics import qvhighlights_metrics

# stands for the official evaluator: its options, a fixed file of figures
OFFICIAL = """
import shutil, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert set(given) == {"--submission_path", "--gt_path", "--save_path"}
shutil.copy(FIGURES, given["--save_path"])
"""


@pytest.fixture
def benchmark(command, tmp_path, query, prediction):
    """Run the command on two queries; its exit status and the rows it wrote."""
    queries = [query(i, (0.0, 10.0), duration=20.0, ratings={0: (4, 3, 2)}) for i in range(2)]
    answers = [prediction(i, (0, 8, 1), saliency=(1.0,) * 10) for i in range(2)]
    write_annotations(queries, tmp_path / "val.jsonl")
    write_submission(answers, tmp_path / "preds.jsonl")
    (tmp_path / "figures.json").write_text(json.dumps(qvhighlights_metrics(answers, queries)))
    out = tmp_path / "b.csv"
    files = ["--submission", tmp_path / "preds.jsonl", "--annotations", tmp_path / "val.jsonl", "--out", out]

    def run(*arguments):
        status = command("benchmarks/evaluator", *files, "--repeats", 1, *arguments)
        return status, [] if status else list(csv.DictReader(out.open()))

    return run


def test_without_the_official_evaluator_its_row_is_empty(benchmark):
    status, rows = benchmark()
    assert status == 0 and [bool(row["seconds"]) for row in rows] == [True] * 4 + [False]


def test_the_official_evaluator_is_timed_and_compared(benchmark, tmp_path, capsys):
    script = tmp_path / "eval.py"
    script.write_text(f"FIGURES = {str(tmp_path / 'figures.json')!r}\n{OFFICIAL}")
    assert benchmark("--official", script)[1][-1]["figures_agree"] == "yes"
    (tmp_path / "figures.json").write_text("{}")
    assert benchmark("--official", script)[1][-1]["figures_agree"] == "no"
    script.write_text("raise SystemExit('no numpy')")
    assert benchmark("--official", script)[0] == 2
    assert "ended with status 1 (no numpy); try it by hand" in capsys.readouterr().err
