"""Answers that can mean nothing are counted as they are, and noted once with how many and the first."""

from dataclasses import replace

import pytest

from snnvtg.data.benchmarks import BENCHMARKS
from snnvtg.data.submission_notes import submission_notes
from snnvtg.data.submissions import write_submission
from snnvtg.metrics.qvhighlights import qvhighlights_metrics
from snnvtg.records import Prediction, Query

QV = BENCHMARKS["qvhighlights"]
QUERIES = tuple(
    Query(qid, f"query {qid}", f"v{qid}", 10.0, ((2.0, 6.0),), (1, 2), ((4.0, 4.0, 4.0), (1.0, 2.0, 3.0)))
    for qid in range(4)
)
GOOD = tuple(Prediction(q.qid, q.query, q.vid, ((2.0, 6.0, 1.0),), (0.0, 1.0, 0.5, 0.0, 0.0)) for q in QUERIES)


def with_odd(*changed: int, **what) -> list[Prediction]:
    return [replace(p, **what) if p.qid in changed else p for p in GOOD]


def test_good_answers_have_no_notes():
    assert submission_notes(GOOD, QUERIES, QV) == []
    rounded = with_odd(1, pred_relevant_windows=((2.0, 10.0004, 1.0),), vid="", pred_saliency_scores=())
    assert submission_notes(rounded, QUERIES, QV) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            {"pred_relevant_windows": ((2.0, 6.0, 1.0), (6.0, 2.0, 0.5))},
            "2 of 4 answers have windows that end before they begin, counted as they are; the first, qid 1: [6, 2]",
        ),
        (
            {"pred_relevant_windows": ((-1.5, 2.0, 1.0),)},
            "2 of 4 answers have windows that begin before 0 s, counted as they are; the first, qid 1: [-1.5, 2]",
        ),
        (
            {"pred_relevant_windows": ((2.0, 12.0, 1.0),)},
            "2 of 4 answers have windows that reach beyond their video, counted as they are; the first, qid 1: [2, 12] "
            "in a video of 10 s",
        ),
        (
            {"pred_saliency_scores": (0.5, 1.0)},
            "2 of 4 answers have more or fewer saliency scores than their video has clips, counted as they are; the "
            "first, qid 1: 2 for 5 clips of 2 s",
        ),
        (
            {"vid": "elsewhere"},
            "2 of 4 answers have the id of another video, counted as they are; the first, qid 1: elsewhere, the "
            "annotations have v1",
        ),
    ],
)
def test_each_kind_is_told_once_with_how_many_and_the_first(what, said):
    assert submission_notes(with_odd(1, 3, **what), QUERIES, QV) == [said]


def test_every_clip_is_rated_where_the_data_set_rates_them_all():
    rated = [replace(q, relevant_clip_ids=(0, 1, 2), saliency_scores=((1.0,), (2.0,), (3.0,))) for q in QUERIES]
    answers = with_odd(1, pred_saliency_scores=(1.0, 2.0, 3.0))
    (line,) = submission_notes(answers, rated, BENCHMARKS["tvsum"])
    assert "3 of 4" in line and "qid 0: 5 for 3 clips" in line


def test_a_split_without_ratings_says_nothing_of_saliency():
    plain = [replace(q, relevant_clip_ids=None, saliency_scores=None) for q in QUERIES]
    assert submission_notes(with_odd(1, pred_saliency_scores=(0.5,)), plain, BENCHMARKS["charades_sta"]) == []


def test_evaluate_notes_them_and_counts_as_before(command, capsys, tmp_path):
    from snnvtg.data.annotations import write_annotations

    odd = with_odd(1, pred_relevant_windows=((6.0, 2.0, 1.0),), vid="elsewhere")
    write_annotations(QUERIES, tmp_path / "val.jsonl")
    write_submission(odd, tmp_path / "odd.jsonl")
    arguments = ("--submission", tmp_path / "odd.jsonl", "--annotations", tmp_path / "val.jsonl")
    assert command("evaluate", *arguments, "--out", tmp_path / "metrics.json") == 0
    printed = capsys.readouterr().out
    assert printed.count("note: 1 of 4 answers have") == 2
    assert f"{qvhighlights_metrics(odd, QUERIES)['brief']['MR-full-mAP']:8.2f}" in printed
