"""One way to name data, with the same meaning in every command."""

from pathlib import Path

import pytest

from snnvtg.data.source import DataSource
from snnvtg.errors import InputError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"features": Path("f")}, "--features belongs to a benchmark of the field; name it with --dataset"),
        ({"domain": "BK"}, "--domain belongs to a benchmark"),
        ({"text": "/nonexistent.txt"}, "--text: the embedded synthetic set has its own"),
        ({"backbones": ("clip",)}, "--backbones: the embedded synthetic set has its own"),
        ({"feature_folders": (Path("f"),)}, "--feature-folders: the embedded synthetic set has its own"),
        ({"data": Path("d"), "dataset": "tacos"}, "--data and --dataset exclude each other"),
        ({"dataset": "tacos"}, "--dataset tacos: name the folder of its features with --features"),
        ({"dataset": "tacos", "features": Path("f"), "clip_length": 2.0}, "--clip-length: tacos has its own"),
        (
            {"data": Path("d"), "backbones": ("a", "b"), "feature_folders": (Path("x"),)},
            "--feature-folders: expected one for each of --backbones a b, got 1",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        DataSource(**given)


def test_a_text_file_that_is_not_there_is_refused_beside_a_folder(folder):
    with pytest.raises(InputError, match="nonexistent"):
        DataSource(data=folder, text="/nonexistent.txt").load()


def test_backbones_are_folders_in_features_and_feature_folders_lie_anywhere(folder, tmp_path):
    named = DataSource(data=folder, backbones=("clip",)).load()
    assert named.feature_names == ("clip",)
    (folder / "features/clip").rename(tmp_path / "elsewhere")
    moved = DataSource(data=folder, backbones=("clip",), feature_folders=(tmp_path / "elsewhere",)).load()
    assert (moved.checksum, moved.feature_names) == (named.checksum, ("clip",))


def test_data_is_loaded_once(folder):
    source = DataSource(data=folder)
    assert source.load() is DataSource(data=folder).load()
