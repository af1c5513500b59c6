import numpy as np
import pytest

from snnvtg.data.text import GloveText, tokenise, unread_words
from snnvtg.errors import InputError
from snnvtg.records import Query

LINES = "the 1 0\nman 0 1\nlaptop 1 1\n's 0.5 0\ndo 2 2\nn't 3 3\nwalk-in 4 4\nburnt 5 5\nout 6 6\n"


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text(LINES)
    return path


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The man's laptop.", ["the", "man", "'s", "laptop"]),
        ("They don't, can’t!", ["they", "do", "n't", "ca", "n't"]),
        ("a walk-in closet / 2 (#3)", ["a", "walk-in", "closet", "2", "3"]),
        ("isn", ["isn"]),
        (" .. !", []),
    ],
)
def test_words_are_cut_as_glove_cuts_them(text, tokens):
    assert tokenise(text) == tokens


def test_unknown_words_keep_their_place_as_zeros_and_are_counted(glove):
    encoder = GloveText(glove, ["the zebra man's laptop"])
    found = encoder(Query(1, "the zebra man's laptop", "v", 1.0))
    assert found.tolist() == [[1, 0], [0, 0], [0, 1], [0.5, 0], [1, 1]]
    assert found.dtype == np.float32
    assert set(encoder.unknown) == {"zebra"}


def test_a_hyphenated_word_is_whole_where_known_and_split_where_not(glove):
    encoder = GloveText(glove, ["walk-in burnt-out"])
    assert encoder.encode("walk-in burnt-out").tolist() == [[4, 4], [5, 5], [6, 6]]
    assert not encoder.unknown


def test_vectors_of_another_vocabulary_are_refused(glove):
    with pytest.raises(InputError, match=r"glove\.txt: knows 1 of 3 query words \(not 'zwei'\)"):
        GloveText(glove, ["the zwei drei"])


def test_a_query_without_words_is_refused(glove):
    encoder = GloveText(glove, ["the man"])
    with pytest.raises(InputError, match=r"qid 9: no word in '\?!'"):
        encoder(Query(9, "?!", "v", 1.0))


def test_the_digest_follows_the_vectors_used_and_nothing_else(glove):
    first = GloveText(glove, ["the man"]).digest
    glove.write_text(LINES.replace("laptop 1 1", "laptop 9 9"))
    assert GloveText(glove, ["the man"]).digest == first
    glove.write_text(LINES.replace("man 0 1", "man 0 2"))
    assert GloveText(glove, ["the man"]).digest != first


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("400000 300\nthe 1 0", ":1: 1 numbers after the word"),
        ("the 1 0\nman 1\n", ":2: 1 numbers"),
        ("the 1 0\nman 1 x\n", ":2: not a row of numbers"),
        ("the 1 0\nman 1 nan\n", ":2: "),
    ],
)
def test_a_bad_vector_file_names_its_line(tmp_path, content, said):
    (tmp_path / "glove.txt").write_text(content)
    with pytest.raises(InputError) as caught:
        GloveText(tmp_path / "glove.txt", ["the man"])
    assert f"glove.txt{said}" in str(caught.value) or f"glove.txt: {said}" in str(caught.value)


def test_a_missing_vector_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"glove\.txt: cannot be read"):
        GloveText(tmp_path / "glove.txt", ["the man"])


def test_marks_tell_the_vectors_of_common_words_whatever_is_asked(glove):
    first = GloveText(glove, ["the man", "the laptop"]).marks
    assert list(first) == ["the", "laptop", "man"]
    other = GloveText(glove, ["the man runs"]).marks
    assert {word: first[word] for word in ("the", "man")} == {word: other[word] for word in ("the", "man")}
    glove.write_text(LINES.replace("man 0 1", "man 0 2"))
    changed = GloveText(glove, ["the man"]).marks
    assert changed["the"] == first["the"] and changed["man"] != first["man"]


def test_words_that_vectors_tell_nothing_of_are_named():
    vectors = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]], np.float32)
    assert unread_words("a zebra runs", vectors) == ["zebra"]
    assert unread_words("a zebra-runs", vectors) == ["zebra"]  # cut at its hyphen
    assert unread_words("other tokens than words here", vectors) == ["word 2"]
    assert unread_words("a man runs", vectors + 1) == []
