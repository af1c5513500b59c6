import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.data.features import load_video, normalise, read_features, time_endpoints
from snnvtg.errors import InputError


def save(path, array):
    np.savez(path, features=array)
    return path


def test_each_row_is_divided_by_its_norm_and_a_little():
    # norm 5: 3/(5 + 1e-5), 4/(5 + 1e-5); a zero row stays zero
    found = normalise(np.array([[3, 4], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[3 / 5.00001, 4 / 5.00001], [0, 0]], rtol=1e-6)


def test_time_endpoints_are_fractions_of_the_video():
    np.testing.assert_allclose(time_endpoints(4), [[0, 0.25], [0.25, 0.5], [0.5, 0.75], [0.75, 1]])


def test_backbones_are_normalised_apart_cut_to_the_shorter_and_concatenated_in_order(tmp_path):
    for name in ("clip", "slowfast"):
        (tmp_path / name).mkdir()
    save(tmp_path / "clip" / "v.npz", np.array([[2.0], [2.0], [2.0]]))
    np.save(tmp_path / "slowfast" / "v.npy", np.array([[0.0, 4.0], [3.0, 4.0]], dtype=np.float16))
    found = load_video("v", [tmp_path / "clip", tmp_path / "slowfast"])
    np.testing.assert_allclose(found, [[1, 0, 1, 0, 0.5], [1, 0.6, 0.8, 0.5, 1]], atol=1e-4)
    assert found.dtype == np.float32
    turned = load_video("v", [tmp_path / "slowfast", tmp_path / "clip"])
    np.testing.assert_allclose(turned[:, [2, 0, 1, 3, 4]], found)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, 4)), "empty video, shape (0, 4)"),
        (np.zeros((4, 0)), "empty video"),
        (np.zeros(4), "expected (clips, width)"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), "first in row 1"),
        (np.array([[0.0], [1e300]]), "first in row 1"),
        (np.array([["a"]]), "array of real numbers"),
        (np.ones((2, 2), dtype=bool), "array of real numbers"),
        (np.array([[{}]]), "v.npz"),
    ],
)
def test_a_bad_array_names_the_file(tmp_path, array, said):
    with pytest.raises(InputError) as caught:
        read_features(save(tmp_path / "v.npz", array))
    assert "v.npz" in str(caught.value) and said in str(caught.value)


def test_a_missing_file_folder_and_key_are_named(tmp_path):
    with pytest.raises(InputError, match=r"v\.npz: no such file \(nor \.npy\); extract"):
        load_video("v", [tmp_path])
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_video("v", [tmp_path / "nowhere"])
    np.savez(tmp_path / "v.npz", feature=np.ones((2, 2)))
    with pytest.raises(InputError, match="no key 'features'; keys there: feature"):
        load_video("v", [tmp_path])


@pytest.mark.parametrize("vid", ["../v", "a/b", "..", "a\\b", "a\0b"])
def test_a_vid_never_leaves_its_folder(tmp_path, vid):
    with pytest.raises(InputError, match="no file name"):
        load_video(vid, [tmp_path])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([".npz", ".npy"]), st.integers(0, 400), st.binary(max_size=20), st.booleans())
def test_no_damaged_file_gives_anything_but_a_clear_line(tmp_path_factory, suffix, at, junk, truncated):
    whole = io.BytesIO()
    if suffix == ".npz":
        np.savez_compressed(whole, features=np.arange(12.0).reshape(4, 3))
    else:
        np.save(whole, np.arange(12.0).reshape(4, 3))
    data = whole.getvalue()
    path = tmp_path_factory.mktemp("fuzz") / f"v{suffix}"
    path.write_bytes(data[:at] + junk + (b"" if truncated else data[at + len(junk) :]))
    try:
        read_features(path)
    except InputError as error:
        assert path.name in str(error) and "\n" not in str(error)
