"""A checkpoint knows the text encoder of its training."""

import dataclasses

import pytest

from snnvtg.errors import InputError
from snnvtg.training import load_checkpoint, train


@pytest.fixture(scope="module")
def data(small_data):
    return dataclasses.replace(small_data, text_name="glove", text_marks={"a": "1f", "man": "2e"})


@pytest.fixture
def saved(data, tiny, quick, recipe, tmp_path):
    config = dataclasses.replace(quick, epochs=1)
    train(recipe(tiny, config), data, seed=0, quiet=True).save(tmp_path / "best.pt")
    return load_checkpoint(tmp_path / "best.pt"), tmp_path / "best.pt"


def test_name_marks_and_longest_video_travel_with_it(saved, data):
    checkpoint, _ = saved
    assert (checkpoint.text_name, checkpoint.text_marks) == ("glove", {"a": "1f", "man": "2e"})
    assert checkpoint.longest == max(round(query.duration) for query in data.train.queries)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text_name": "clip", "text_marks": {}}, "was trained with the text encoder glove, given is clip"),
        (
            {"text_marks": {"a": "1f", "man": "00"}},
            "another glove than the one given, which has another vector for 'man'",
        ),
    ],
)
def test_another_encoder_of_the_same_width_is_refused(saved, data, change, said):
    checkpoint, path = saved
    with pytest.raises(InputError) as caught:
        checkpoint.require(dataclasses.replace(data, **change), path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_other_words_and_unknown_encoders_are_no_mismatch(saved, data):
    checkpoint, path = saved
    checkpoint.require(data, path)
    checkpoint.require(dataclasses.replace(data, text_marks={"dog": "77", "a": "1f"}), path)
    checkpoint.require(dataclasses.replace(data, text_name="", text_marks={}), path)
    older = dataclasses.replace(checkpoint, text_name="", text_marks={})
    older.require(data, path)


def test_another_model_under_the_same_name_is_refused(saved):
    checkpoint, path = saved
    clip = dataclasses.replace(checkpoint, text_name="clip", text_marks={"": "aa"})
    with pytest.raises(InputError, match="was trained with another clip than the one given; name the text encoder"):
        clip.require_text("clip", {"": "bb"}, path)
    clip.require_text("clip", {}, path)
