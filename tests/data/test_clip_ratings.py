import json

import pytest

from snnvtg.data.benchmarks import BENCHMARKS, benchmark
from snnvtg.data.clip_ratings import of_domain, parse_tvsum, parse_youtube
from snnvtg.errors import InputError

TVSUM = {
    "qid": "a",
    "vid": "a",
    "query": "changing a tyre",
    "duration": 3,
    "domain": "VT",
    "label": [[1, 2], [3, 4], [5, 5]],
}
YOUTUBE = {
    "qid": "b", "vid": "b", "query": "dog", "duration": 106.5, "domain": "dog", "relevant_windows": None,
    "label": [[0], [1]], "clip": [[0, 100], [50, 150]], "match": [-1, 1],
}  # fmt: skip


def test_tvsum_duration_is_read_as_clips_of_2_seconds():
    query = parse_tvsum(TVSUM, "f:1")
    assert query.duration == 6.0
    assert query.relevant_clip_ids == (0, 1, 2)
    assert query.saliency_scores == ((1, 2), (3, 4), (5, 5))
    assert query.tags == ("VT",) and query.relevant_windows == ()


def test_youtube_takes_match_and_one_second_a_clip():
    query = parse_youtube(YOUTUBE, "f:1")
    assert (query.duration, query.saliency_scores, query.tags) == (2.0, ((-1,), (1,)), ("dog",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": []}, "'label' is empty"),
        ({"label": [[1], [1, 2]]}, "differ in length"),
        ({"label": [[], []]}, "differ in length or are empty"),
        ({"label": 3}, "expected a list"),
        ({"domain": None}, "'domain' is None"),
    ],
)
def test_a_fault_names_its_place(change, said):
    with pytest.raises(InputError) as caught:
        parse_tvsum({**TVSUM, **change}, "f:7")
    assert str(caught.value).startswith("f:7: ") and said in str(caught.value)


def test_one_domain_is_chosen_by_name():
    queries = [parse_tvsum({**TVSUM, "qid": i, "domain": domain}, "f") for i, domain in enumerate(["VT", "BK", "VT"])]
    assert [query.qid for query in of_domain(queries, "VT")] == [0, 2]
    with pytest.raises(InputError, match="no video of domain 'XX'; domains there: BK, VT"):
        of_domain(queries, "XX")


def test_each_benchmark_reads_its_own_format(tmp_path, write_lines, record):
    files = {"tvsum": TVSUM, "youtube_highlights": YOUTUBE}
    for name, kind in BENCHMARKS.items():
        path = write_lines(tmp_path / f"{name}.jsonl", [json.dumps(files.get(name, record(1, "v", [[0, 2]])))])
        (query,) = kind.read(path)
        assert bool(query.relevant_windows) == (name not in files)


def test_an_unknown_data_set_lists_the_known():
    with pytest.raises(InputError, match="no benchmark 'msr'; known: qvhighlights, charades_sta"):
        benchmark("msr")


def test_rated_clips_become_windows_to_train_on(tmp_path):
    # means 1.5, 3.5, 5 of 2-s clips: above their median 3.5 is the last alone
    (tmp_path / "t.jsonl").write_text(json.dumps(TVSUM))
    (query,) = benchmark("tvsum").read_to_train(tmp_path / "t.jsonl")
    assert query.relevant_windows == ((4.0, 6.0),) and benchmark("tvsum").read(tmp_path / "t.jsonl") != (query,)
    # clips 1, 2 and 4 of 1 s match
    (tmp_path / "y.jsonl").write_text(json.dumps({**YOUTUBE, "match": [-1, 1, 1, 0, 1]}))
    (query,) = benchmark("youtube_highlights").read_to_train(tmp_path / "y.jsonl")
    assert query.relevant_windows == ((1.0, 3.0), (4.0, 5.0))
    (tmp_path / "y.jsonl").write_text(json.dumps({**YOUTUBE, "match": [-1, 0]}))
    assert benchmark("youtube_highlights").read_to_train(tmp_path / "y.jsonl")[0].relevant_windows == ()
