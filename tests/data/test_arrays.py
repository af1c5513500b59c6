"""Files that lie about their size: what the header says is compared with the video and the file, then believed."""

import io
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from snnvtg.data.arrays import MOST_ROWS, most_rows, read_array
from snnvtg.data.feature_rows import open_rows
from snnvtg.data.features import read_features
from snnvtg.data.folder import load_videos
from snnvtg.errors import InputError
from snnvtg.records import Query


def header(shape: tuple[int, ...], dtype: str = "<f4", fortran: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": fortran, "shape": shape})
    return out.getvalue()


def bomb(path, shape, megabytes: int):
    """An archive of zeros: a thousandth of what it unpacks to."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("features.npy", "w", force_zip64=True) as member,
    ):
        member.write(header(shape))
        for _ in range(megabytes):
            member.write(bytes(2**20))
    return path


@pytest.fixture
def cheap():
    """Within this test nothing may take more than 64 MB or a few seconds."""
    tracemalloc.start()
    began = time.process_time()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26
    assert time.process_time() - began < 5


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return bomb(tmp_path_factory.mktemp("bomb") / "v.npz", (2**18, 256), 256)


@pytest.mark.parametrize("read", [read_features, open_rows])
def test_an_archive_that_unpacks_to_far_more_than_it_holds_is_refused_unread(read, archive, cheap):
    with pytest.raises(InputError, match=r"v\.npz: [\d,]+ bytes that unpack to 268,435,456"):
        read(archive)


def test_more_rows_than_the_video_can_have_are_refused_unread(tmp_path, cheap):
    folder = tmp_path / "clip"
    folder.mkdir()
    bomb(folder / "v.npz", (2**16, 64), 16)
    with pytest.raises(InputError, match=r"65,536 rows, .* at most 1,300"):
        load_videos([Query(1, "q", "v", 10.0, ((0.0, 1.0),))], [folder], 1.0)


@pytest.mark.parametrize("read", [read_features, open_rows])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_that_promises_more_than_there_is(read, suffix, tmp_path, cheap):
    path = tmp_path / f"v{suffix}"
    for shape in ((10**9, 512), (1000, 10**9), (MOST_ROWS, 2), (2**62, 2**62), (100, 100)):
        content = header(shape) + bytes(64)
        if suffix == ".npy":
            path.write_bytes(content)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("features.npy", content)
        with pytest.raises(InputError, match=f"v{suffix}: "):
            read(path)


def test_an_archive_is_read_no_further_than_its_header_says(tmp_path, cheap):
    path = bomb(tmp_path / "v.npz", (4, 4), 128)
    assert read_features(path).shape == (4, 4)
    assert open_rows(path).read(0, 4).shape == (4, 4)


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", "<f2", ">f8", "<i4", "|u1"])
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read_as_numpy_reads_it(save, dtype, fortran, tmp_path):
    array = np.arange(1, 25).reshape(8, 3).astype(dtype)
    array = np.asfortranarray(array) if fortran else array
    path = tmp_path / ("v.npy" if save is np.save else "v.npz")
    save(path, array) if save is np.save else save(path, features=array)
    assert np.array_equal(read_array(path, "features"), array)
    assert np.array_equal(read_features(path), array)
    rows = open_rows(path)
    assert np.array_equal(rows.read(2, 5), array[2:5])


def test_a_chunked_data_set_that_was_never_written_is_refused_unread(tmp_path, cheap):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "c3d.h5", "w") as file:
        file.create_dataset("v", (10**6, 10**4), "f4", chunks=(1, 1000))
    with pytest.raises(InputError, match=r"unpack to 40,000,000,000"):
        read_features(tmp_path / "c3d.h5" / "v")


def test_rows_that_a_video_can_have():
    assert most_rows(None) == MOST_ROWS
    assert most_rows(10.0) == 1300
    assert most_rows(0.5) == 160
