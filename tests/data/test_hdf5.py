import sys

import numpy as np
import pytest

from snnvtg.data import load_folder
from snnvtg.data.features import load_video, read_features
from snnvtg.errors import InputError


def test_without_h5py_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "c3d.hdf5").write_bytes(b"")
    with pytest.raises(InputError, match=r"c3d\.hdf5: HDF5 needs h5py, which is not installed; run: pip install h5py"):
        load_video("v", [tmp_path / "c3d.hdf5"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"c3d\.h5: no such file"):
        load_video("v", [tmp_path / "c3d.h5"])


class TestWithH5py:
    @pytest.fixture(autouse=True)
    def h5py(self):
        return pytest.importorskip("h5py", reason="h5py is not installed")

    def write(self, h5py, path, content):
        with h5py.File(path, "w") as file:
            for name, array in content.items():
                file[name] = array
        return path

    def test_a_data_set_and_a_group_of_one_are_read_as_npz_is(self, h5py, tmp_path):
        array = np.arange(1.0, 13.0).reshape(4, 3)
        (tmp_path / "npz").mkdir()
        np.savez(tmp_path / "npz" / "v.npz", features=array)
        plain = self.write(h5py, tmp_path / "plain.hdf5", {"v": array})
        grouped = self.write(h5py, tmp_path / "grouped.h5", {"v/c3d_features": array})
        expected = load_video("v", [tmp_path / "npz"])
        np.testing.assert_array_equal(load_video("v", [plain]), expected)
        np.testing.assert_array_equal(load_video("v", [grouped]), expected)

    def test_a_data_set_loads_from_one_file(self, h5py, folder):
        arrays = {f"video_{s}": np.arange(1.0, 16.0).reshape(5, 3) + i for i, s in enumerate(["train", "val", "test"])}
        self.write(h5py, folder / "features.hdf5", arrays)
        whole = load_folder(folder, feature_folders=["features.hdf5"])
        assert whole.checksum == load_folder(folder).checksum
        assert whole.feature_names == ("features.hdf5",)

    def test_faults_name_the_file_and_the_video(self, h5py, tmp_path):
        content = {"two/a": np.ones((2, 2)), "two/b": np.ones((2, 2)), "nan": np.full((2, 2), np.nan), "text": "words"}
        path = self.write(h5py, tmp_path / "f.h5", content)
        with pytest.raises(InputError, match=r"f\.h5: no features of absent in it"):
            load_video("absent", [path])
        with pytest.raises(InputError, match=r"f\.h5/two: 2 data sets \(a, b\)"):
            load_video("two", [path])
        with pytest.raises(InputError, match=r"f\.h5/nan: NaN or infinite"):
            load_video("nan", [path])
        with pytest.raises(InputError, match=r"f\.h5/text: does not hold an array"):
            read_features(path / "text")
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(InputError, match=r"f\.h5: damaged or not an HDF5 file"):
            load_video("two", [path])
