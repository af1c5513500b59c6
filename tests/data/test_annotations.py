import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.data import read_annotations, write_annotations
from snnvtg.errors import InputError
from snnvtg.records import Query

GOOD = {"qid": 1, "query": "a person opens the door", "duration": 5.0, "vid": "v", "relevant_windows": [[1, 3]]}


@pytest.fixture
def failure(tmp_path, write_lines):
    """What `read_annotations` says of a file of these lines, its folder left out."""

    def read(*lines, **options):
        path = write_lines(tmp_path / "a.jsonl", lines)
        with pytest.raises(InputError) as caught:
            read_annotations(path, **options)
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(str(tmp_path), "")

    return read


def test_reads_every_key(tmp_path, record, write_lines):
    line = record(7, "v", [[1, 3], [4, 5]], relevant_clip_ids=[0, 2], saliency_scores=[[1, 2, 3], [4, 4, 4]])
    (query,) = read_annotations(write_lines(tmp_path / "a.jsonl", [line, "", "  "]))
    assert query == Query(
        7, "a person opens the door", "v", 5.0, ((1, 3), (4, 5)), (0, 2), ((1.0, 2.0, 3.0), (4.0, 4.0, 4.0))
    )


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert len(read_annotations(tmp_path / "a.jsonl")) == 1


def test_written_annotations_read_back_the_same(tmp_path):
    queries = (
        Query("a", "öffnet die Tür", "v", 5.5, ((0.25, 3.0),)),
        Query(2, "q", "w", 4.0, ((0.0, 4.0),), (1,), ((2.0, 3.0),)),
    )
    write_annotations(queries, tmp_path / "a.jsonl")
    assert read_annotations(tmp_path / "a.jsonl") == queries


def test_a_test_split_needs_no_windows(tmp_path, write_lines, failure):
    line = {k: v for k, v in GOOD.items() if k != "relevant_windows"}
    path = write_lines(tmp_path / "a.jsonl", [line])
    assert read_annotations(path, require_windows=False)[0].relevant_windows == ()
    assert "a.jsonl:1: key 'relevant_windows' is missing" in failure(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "malformed JSON"),
        ("[1]", "expected one JSON object"),
        ({**GOOD, "qid": True}, "'qid' is True"),
        ({**GOOD, "qid": 1.5}, "'qid' is 1.5"),
        ({**GOOD, "vid": ""}, "'vid' is ''"),
        ({**GOOD, "query": "  "}, "'query' is '  '"),
        ({**GOOD, "duration": "5"}, "'duration' holds '5'"),
        ({**GOOD, "duration": 0}, "'duration' is 0"),
        (json.dumps({**GOOD, "duration": float("nan")}), "finite"),
        ({**GOOD, "relevant_windows": []}, "'relevant_windows' is empty"),
        ({**GOOD, "relevant_windows": None}, "'relevant_windows' is null"),
        ({**GOOD, "relevant_windows": [[1, 2, 3]]}, "expected a list of 2"),
        ({**GOOD, "relevant_windows": [[3, 1]]}, "window [3, 1] is not 0 ≤ start < end"),
        ({**GOOD, "relevant_windows": [[-1, 1]]}, "window [-1, 1]"),
        ({**GOOD, "relevant_windows": [[4, 6]]}, "ends outside its video of 5 s"),
        ({**GOOD, "relevant_clip_ids": [1]}, "'saliency_scores' is missing"),
        ({**GOOD, "relevant_clip_ids": [1], "saliency_scores": [[1], [2]]}, "expected a list of 1"),
        ({**GOOD, "relevant_clip_ids": [1, 2], "saliency_scores": [[1], [2, 3]]}, "differ in length"),
        ({**GOOD, "relevant_clip_ids": [-1], "saliency_scores": [[1]]}, "expected integers from 0"),
        ({**GOOD, "relevant_clip_ids": [10**30], "saliency_scores": [[1]]}, "expected integers from 0"),
        ({**GOOD, "relevant_clip_ids": [1, 1], "saliency_scores": [[1], [2]]}, "holds 1 twice"),
        ({**GOOD, "query": "a \ud800"}, "half a character"),
        ('{"qid": ' + "9" * 5000 + "}", "malformed JSON"),
    ],
)
def test_a_fault_names_its_line(failure, record, line, said):
    message = failure(record(0, "v", [[1, 3]]), line)
    assert "/a.jsonl:2: " in message
    assert said in message


def test_a_duplicate_qid_names_both_lines(failure, record):
    message = failure(GOOD, record(2, "v", [[1, 2]]), {**GOOD, "qid": "1"})
    assert "a.jsonl:3: duplicate qid '1', first at" in message
    assert "a.jsonl:1" in message


def test_a_missing_and_an_empty_file_are_named(tmp_path, failure):
    assert "no queries" in failure()
    with pytest.raises(InputError, match=r"nowhere\.jsonl: no such file"):
        read_annotations(tmp_path / "nowhere.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_annotations(tmp_path)


def test_bytes_that_are_not_utf8_name_the_line(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(json.dumps(GOOD).encode() + b"\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"a\.jsonl:2: not UTF-8"):
        read_annotations(tmp_path / "a.jsonl")


# a machine that is busy with something else is no fault of the code under test
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = [*GOOD, "relevant_clip_ids", "saliency_scores"]


@fuzz
@given(st.dictionaries(st.sampled_from(KEYS), json_values), st.booleans())
def test_no_fuzzed_object_gives_anything_but_a_clear_line(tmp_path_factory, write_lines, changes, require):
    path = write_lines(tmp_path_factory.mktemp("fuzz") / "a.jsonl", [{**GOOD, **changes}])
    try:
        read_annotations(path, require_windows=require)
    except InputError as error:
        assert "a.jsonl:1" in str(error) and "\n" not in str(error)


@fuzz
@given(st.binary(max_size=60), st.integers(0, 120))
def test_no_fuzzed_bytes_give_anything_but_a_clear_line(tmp_path_factory, junk, cut):
    path = tmp_path_factory.mktemp("fuzz") / "a.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(good[:cut] + junk + good[cut:])
    try:
        read_annotations(path)
    except InputError as error:
        assert "a.jsonl" in str(error) and "\n" not in str(error)
