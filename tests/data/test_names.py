import pytest

from snnvtg.data import names
from snnvtg.data.names import Names, write_names

GIVEN = ["b", "a", "été", "a person.mp4", "aa", "日本"]


def test_names_are_found_by_place_and_by_name(tmp_path):
    found = Names(tmp_path, write_names(GIVEN, tmp_path))
    assert list(found) == GIVEN and len(found) == 6
    assert [found[place] for place in range(6)] == GIVEN and found[-1] == "日本"
    assert [found.find(name) for name in GIVEN] == list(range(6))
    assert found.find("c") is None and found.find("") is None and found.find("\ud800") is None
    with pytest.raises(IndexError):
        found[6]


def test_names_of_one_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "_hash", lambda name: len(name) % 2)
    found = Names(tmp_path, write_names(GIVEN, tmp_path))
    assert [found.find(name) for name in GIVEN] == list(range(6))
    assert found.find("z") is None


@pytest.mark.parametrize("file", ["names.txt", "names.npy"])
def test_files_of_other_names_or_with_one_bit_changed_are_refused(tmp_path, file):
    mark = write_names(GIVEN, tmp_path)
    content = bytearray((tmp_path / file).read_bytes())
    content[-3] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match="not as they were written"):
        Names(tmp_path, mark)
    other = write_names(["x"], tmp_path)
    assert list(Names(tmp_path, other)) == ["x"]
    with pytest.raises(ValueError, match="not as they were written"):
        Names(tmp_path, mark)
    (tmp_path / file).unlink()
    with pytest.raises(OSError):
        Names(tmp_path, other)
