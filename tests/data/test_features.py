import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.data.feature_rows import open_rows
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


def test_the_two_files_of_tvsums_i3d_are_one_backbone(tmp_path):
    # joined (3, 4) before normalising: norm 5, not 3 and 4; cut to the shorter
    np.save(tmp_path / "v_rgb.npy", np.array([[3.0], [1.0], [1.0]]))
    np.save(tmp_path / "v_opt.npy", np.array([[4.0], [0.0]]))
    np.testing.assert_allclose(load_video("v", [tmp_path])[:, :2], [[0.6, 0.8], [1, 0]], atol=1e-4)
    rows = open_rows(tmp_path / "v_rgb.npy")
    np.testing.assert_array_equal(rows.read(0, rows.num_clips), [[3, 4], [1, 0]])
    (tmp_path / "v_opt.npy").unlink()
    with pytest.raises(InputError, match=r"v_opt\.npy: no such file; v_rgb\.npy is half of the features of v"):
        load_video("v", [tmp_path])
    # a video whose own name ends so is whole
    assert load_video("v_rgb", [tmp_path]).shape == (3, 3)


def test_rows_are_read_a_slice_at_a_time_and_a_bad_one_is_numbered(tmp_path):
    rows = np.arange(1.0, 31.0).reshape(10, 3)
    rows[7, 1] = np.nan
    np.savez_compressed(tmp_path / "v.npz", features=rows)
    video = open_rows(tmp_path / "v.npz")
    assert (video.num_clips, video.width) == (10, 3)
    np.testing.assert_array_equal(video.read(2, 5), rows[2:5])
    with pytest.raises(InputError, match=r"v\.npz: NaN or infinite features, first in row 7"):
        video.read(6, 10)
    with pytest.raises(InputError, match="no key 'features'; keys there: x"):
        np.savez(tmp_path / "w.npz", x=rows)
        open_rows(tmp_path / "w.npz")
    with pytest.raises(InputError, match=r"nowhere\.npz: cannot be read"):
        open_rows(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("name", ["../v", "", "a" * 300, "v\0"])
def test_what_can_be_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="is no file name"):
        load_video(name, [tmp_path])


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
