import numpy as np
import pytest

from snnvtg.data.features import read_features
from snnvtg.data.r2_features import last_layer_cls, last_layer_tokens
from snnvtg.data.text_files import read_tokens
from snnvtg.errors import InputError

LAYERS, PLACES, WIDTH = 4, 5, 3


@pytest.fixture
def folders(tmp_path):
    """R²'s layout; every number says where it stands: 1000·row + 100·layer + 10·place + channel."""
    row, layer, place, channel = np.ogrid[:2, :LAYERS, :PLACES, :WIDTH]
    (tmp_path / "vid").mkdir()
    (tmp_path / "txt").mkdir()
    whole = (1000 * row + 100 * layer + 10 * place + channel).astype(np.float16)
    np.save(tmp_path / "vid" / "v.npy", whole)
    np.save(tmp_path / "txt" / "7.npy", whole[:, :, 0])
    return tmp_path


def test_the_last_layers_class_token_and_tokens_are_kept(folders):
    expected = [[300, 301, 302], [1300, 1301, 1302]]
    # whole numbers below 2048 are exact in half precision
    for found in (last_layer_cls(folders / "vid" / "v.npy"), last_layer_tokens(folders / "txt" / "7.npy")):
        assert found.tolist() == expected
        assert found.dtype == np.float32


def test_the_command_writes_what_the_folders_readers_read(folders, command, capsys):
    out = folders / "features"
    arguments = ["--videos", folders / "vid", "--texts", folders / "txt", "--out", out]
    for said in ("1 files written, 0 were there already", "0 files written, 1 were there already"):
        assert command("tools/convert_r2", *arguments) == 0
        assert capsys.readouterr().out.count(said) == 2
    assert read_features(out / "clip_r2" / "v.npz").shape == (2, WIDTH)
    assert read_tokens(out / "clip_r2_text" / "qid7.npz").shape == (2, WIDTH)


def test_another_shape_or_nan_names_the_file(folders):
    with pytest.raises(InputError, match=r"7\.npy: shape \(2, 4, 3\); expected \(clips, layers, places, width"):
        last_layer_cls(folders / "txt" / "7.npy")
    np.save(folders / "vid" / "nan.npy", np.full((1, 1, 1, 2), np.nan))
    with pytest.raises(InputError, match=r"nan\.npy: NaN"):
        last_layer_cls(folders / "vid" / "nan.npy")


def test_a_folder_without_features_is_named(folders, command, capsys):
    assert command("tools/convert_r2", "--videos", folders, "--out", folders / "o") == 2
    assert "no .npy files; expected one of R²'s feature folders" in capsys.readouterr().err
