import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.data.submissions import read_submission, write_submission
from snnvtg.errors import InputError
from snnvtg.records import Prediction

GOOD = {"qid": 1, "query": "q", "vid": "v", "pred_relevant_windows": [[0, 2, 0.5]], "pred_saliency_scores": [0.1, 0.2]}


def test_a_written_submission_reads_back_the_same(tmp_path):
    predictions = (
        Prediction(1, "öffnet", "v", ((0.5, 2.25, 0.123456789), (0.0, 1.0, -1.0)), (0.1, -0.3)),
        Prediction("b", "q", "w", ((0.0, 1.0, 1.0),), ()),
    )
    write_submission(predictions, tmp_path / "s.jsonl")
    assert read_submission(tmp_path / "s.jsonl") == predictions


def test_lines_have_the_official_keys(tmp_path):
    write_submission([Prediction(1, "q", "v", ((0.00001, 2.0, 0.5),), (0.25,))], tmp_path / "s.jsonl")
    assert json.loads((tmp_path / "s.jsonl").read_text()) == {
        **GOOD,
        "pred_relevant_windows": [[0.0, 2.0, 0.5]],
        "pred_saliency_scores": [0.25],
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pred_relevant_windows": []}, "'pred_relevant_windows' of qid 1 is empty"),
        ({"pred_relevant_windows": None}, "'pred_relevant_windows' holds None; expected a list"),
        ({"pred_relevant_windows": [[0, 2]]}, "expected a list of 3"),
        ({"pred_relevant_windows": [[0, 2, float("nan")]]}, "expected a finite number"),
        ({"pred_saliency_scores": [0.1, "x"]}, "'pred_saliency_scores' holds 'x'"),
        ({"pred_saliency_scores": 3}, "'pred_saliency_scores' holds 3; expected a list"),
        ({"qid": None}, "'qid' is None"),
    ],
)
def test_a_fault_names_its_line(tmp_path, change, said):
    lines = [json.dumps({**GOOD, "qid": 0}), json.dumps({**GOOD, **change})]
    (tmp_path / "s.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        read_submission(tmp_path / "s.jsonl")
    assert "s.jsonl:2: " in str(caught.value) and said in str(caught.value)


def test_a_duplicate_and_an_empty_file_are_named(tmp_path):
    (tmp_path / "s.jsonl").write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n")
    with pytest.raises(InputError, match=r"s\.jsonl:2: duplicate qid 1"):
        read_submission(tmp_path / "s.jsonl")
    (tmp_path / "s.jsonl").write_text("")
    with pytest.raises(InputError, match="no predictions"):
        read_submission(tmp_path / "s.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(list(GOOD)), json_values), st.binary(max_size=4), st.integers(0, 150))
def test_no_fuzzed_line_gives_anything_but_a_clear_line(tmp_path_factory, changes, junk, at):
    path = tmp_path_factory.mktemp("fuzz") / "s.jsonl"
    line = json.dumps({**GOOD, **changes}).encode()
    path.write_bytes(line[:at] + junk + line[at:])
    try:
        read_submission(path)
    except InputError as error:
        assert "s.jsonl" in str(error) and "\n" not in str(error)


def test_an_answer_that_is_no_number_is_never_written(tmp_path):
    broken = Prediction(3, "q", "v", ((0.0, 1.0, float("nan")),))
    with pytest.raises(InputError, match=r"^qid 3: the answer holds a number that is not finite"):
        write_submission([broken], tmp_path / "a.jsonl")
    assert not list(tmp_path.iterdir())
