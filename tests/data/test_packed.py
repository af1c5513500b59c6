import json
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest

from snnvtg.data import load_folder
from snnvtg.data.features import load_video
from snnvtg.data.loading import Loader
from snnvtg.data.packed import PackedFeatures, pack_features, write_packed
from snnvtg.errors import InputError


@pytest.fixture
def sources(tmp_path):
    """Two backbones of three videos of 4, 7 and 1 clips."""
    generator = np.random.default_rng(0)
    folders = []
    for name, width in (("slowfast", 3), ("clip", 5)):
        folder = tmp_path / name
        folder.mkdir()
        for vid, clips in (("a", 4), ("b", 7), ("c", 1)):
            np.savez(folder / f"{vid}.npz", features=generator.normal(size=(clips, width)))
        folders.append(folder)
    return folders


@pytest.fixture
def full_disk():
    """Called with a number of bytes: no file of this process can grow beyond them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_packed_features_are_those_of_the_files(sources, tmp_path):
    packed = pack_features(["a", "b", "c", "a"], sources, tmp_path / "packed")
    assert list(packed) == ["a", "b", "c"] and len(packed) == 3
    assert (packed.feature_names, packed.width) == (("slowfast", "clip"), 10)
    for vid, clips in (("a", 4), ("b", 7), ("c", 1)):
        np.testing.assert_array_equal(packed[vid], load_video(vid, sources))
        assert packed.num_clips(vid) == clips
    with pytest.raises(KeyError):
        packed["d"]


def test_float16_rounds_unit_norm_features_by_little(sources, tmp_path):
    packed = pack_features(["b"], sources, tmp_path / "packed", dtype="float16")
    np.testing.assert_allclose(packed["b"], load_video("b", sources), atol=5e-4)
    assert packed["b"].dtype == np.float32
    assert (tmp_path / "packed" / "rows.bin").stat().st_size == 7 * 8 * 2


def test_it_is_opened_again_where_it_is_unpickled(sources, tmp_path):
    packed = pack_features(["a", "b"], sources, tmp_path / "packed")
    sent = pickle.dumps(packed)
    assert len(sent) < 500
    np.testing.assert_array_equal(pickle.loads(sent)["b"], packed["b"])


@pytest.mark.parametrize("size", [100, 370])
def test_a_full_disk_is_one_line_and_leaves_nothing(sources, tmp_path, full_disk, size):
    full_disk(size)  # for the first bytes of 384, for the last
    with pytest.raises(InputError, match=r"packed: cannot be written \(File too large\); make room"):
        pack_features(["a", "b", "c"], sources, tmp_path / "packed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip", "slowfast"]


def test_whether_a_video_is_there_is_known_without_reading_it(sources, tmp_path):
    packed = pack_features(["a", "b"], sources, tmp_path / "packed")
    packed._rows = None
    assert "a" in packed and "b" in packed and "c" not in packed and None not in packed


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_reading_everything_takes_no_memory_of_the_process(tmp_path):
    def anonymous():
        return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) * 1024

    pool = np.random.default_rng(0).standard_normal((64, 512), dtype=np.float32)
    packed = write_packed(((f"v{i}", pool) for i in range(1000)), tmp_path / "packed", ["noise"], dtype="float16")
    before = anonymous()
    assert sum(packed[vid].shape[0] for vid in packed) == 64_000
    assert (tmp_path / "packed" / "rows.bin").stat().st_size == 64_000 * 512 * 2  # 66 MB, 131 MB as float32
    assert anonymous() - before < 20e6


def test_a_failed_packing_leaves_nothing(sources, tmp_path):
    np.savez(sources[1] / "c.npz", features=np.full((1, 5), np.nan))
    with pytest.raises(InputError, match=r"c\.npz: NaN"):
        pack_features(["a", "b", "c"], sources, tmp_path / "out" / "packed")
    assert not (tmp_path / "out").exists()
    np.savez(sources[1] / "c.npz", features=np.ones((1, 6)))
    with pytest.raises(InputError, match="joined width 9; the first has 8"):
        pack_features(["a", "c"], sources, tmp_path / "out" / "packed")
    pack_features(["a"], sources, tmp_path / "packed")
    with pytest.raises(InputError, match="exists already"):
        pack_features(["a"], sources, tmp_path / "packed")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: {},
        lambda content: {**content, "format": 1},
        lambda content: {**content, "feature_names": None},
        lambda content: {**content, "width": 7},
        lambda content: {**content, "width": "x"},
        lambda content: {**content, "dtype": "nothing"},
        lambda content: [],
    ],
)
def test_a_damaged_index_is_named(sources, tmp_path, change):
    pack_features(["a"], sources, tmp_path / "packed")
    index = tmp_path / "packed" / "index.json"
    index.write_text(json.dumps(change(json.loads(index.read_text()))))
    with pytest.raises(InputError, match="pack the features again"):
        PackedFeatures(tmp_path / "packed")


def test_truncated_rows_and_a_missing_folder_are_named(sources, tmp_path):
    pack_features(["a"], sources, tmp_path / "packed")
    rows = tmp_path / "packed" / "rows.bin"
    rows.write_bytes(rows.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"rows\.bin: 127 bytes where starts\.npy has 128"):
        PackedFeatures(tmp_path / "packed")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        PackedFeatures(tmp_path / "nowhere")


@pytest.fixture
def packed_folder(folder):
    """The small data set and its features packed."""
    features = [folder / "features" / "clip"]
    pack_features(["video_train", "video_val", "video_test"], features, folder / "packed")
    return folder


def test_a_data_set_loads_from_packed_features(packed_folder):
    plain, packed = load_folder(packed_folder), load_folder(packed_folder, packed=packed_folder / "packed")
    assert (packed.video_width, packed.feature_names) == (plain.video_width, plain.feature_names)
    for one, other in ((plain.train, packed.train), (plain.val, packed.val), (plain.test, packed.test)):
        assert tuple(one.queries) == tuple(other.queries) and len(one.texts) == len(other.texts)
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine.video, theirs.video)
            np.testing.assert_array_equal(mine.text, theirs.text)


def test_a_query_without_words_is_refused_before_its_text_is_asked_for(packed_folder, record, write_lines):
    write_lines(packed_folder / "val.jsonl", [record(7, "video_val", [[1, 2]], query="?!")])
    with pytest.raises(InputError, match=r"qid 7: no word in '\?!'"):
        load_folder(packed_folder, packed=packed_folder / "packed")


def test_packed_features_that_do_not_fit_are_refused(packed_folder, record, write_lines):
    with pytest.raises(InputError, match="clip_length=1 fits"):
        load_folder(packed_folder, packed=packed_folder / "packed", clip_length=3)
    write_lines(packed_folder / "val.jsonl", [record(1, "other", [[1, 2]])])
    with pytest.raises(InputError, match=r"does not hold video 'other' \(1 such\)"):
        load_folder(packed_folder, packed=packed_folder / "packed")


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_make_the_same_batches_in_the_same_order(packed_folder, record, write_lines, workers):
    lines = [record(i, f"video_{split}", [[0, 1 + i % 3]]) for i, split in enumerate(["train", "val", "test"] * 4)]
    write_lines(packed_folder / "train.jsonl", lines)
    train = load_folder(packed_folder, packed=packed_folder / "packed").train
    expected = list(train.batches(5, seed=3))
    with Loader(train, 5, workers) as loader:
        list(loader.batches())
        found = list(loader.batches(seed=3))
        assert 0 < loader.waiting <= 1
    assert [batch.queries for batch in found] == [batch.queries for batch in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.video.equal(theirs.video) and ours.boundaries.equal(theirs.boundaries)
