import pytest

from snnvtg.errors import InputError
from snnvtg.files import atomic


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "table.csv"
    with atomic(path) as scratch:
        scratch.write_text("first")
    with pytest.raises(RuntimeError), atomic(path) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert [file.name for file in path.parent.iterdir()] == ["table.csv"]


def test_a_folder_or_a_place_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "table.csv"):
        with pytest.raises(InputError, match=r"cannot be written \(.*\); choose another place"), atomic(path):
            pass
