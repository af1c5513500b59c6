import numpy as np
import pytest

from snnvtg.data.layouts import load_benchmark
from snnvtg.data.packed import pack_features
from snnvtg.errors import InputError

WIDTHS = {"clip": 4, "slowfast": 3}


@pytest.fixture
def make_layout(tmp_path, record, write_lines):
    """folder of each backbone, folder and name of a text file → a Charades-STA folder of two splits."""

    def make(video, text, text_file, places="."):
        root = tmp_path / "charades"
        generator = np.random.default_rng(0)
        (root / text).mkdir(parents=True)
        (root / places).mkdir(exist_ok=True)
        for backbone in WIDTHS:
            (root / video.format(backbone=backbone)).mkdir(parents=True)
        for qid, split in enumerate(["train", "val"]):
            write_lines(root / places / f"charades_{split}_release.jsonl", [record(qid, f"v{qid}", [[1, 3]])])
            tokens = generator.normal(size=(6, 5))
            np.savez(root / text / text_file.format(qid=qid), last_hidden_state=tokens, pooler_output=tokens[0])
            for backbone, width in WIDTHS.items():
                features = generator.normal(size=(5, width)).astype(np.float16)
                np.savez(root / video.format(backbone=backbone) / f"v{qid}.npz", features=features)
        return root

    return make


@pytest.mark.parametrize(
    ("layout", "video", "text", "text_file"),
    [
        ("plain", "features/{backbone}", "features/clip_text", "qid{qid}.npz"),
        ("moment_detr", "features/{backbone}_features", "features/clip_text_features", "qid{qid}.npz"),
        ("lighthouse", "{backbone}", "clip_text", "qid{qid}.npz"),
        ("univtg", "vid_{backbone}", "txt_clip", "{qid}.npz"),
    ],
)
def test_each_toolkits_folder_is_read_where_it_lies(make_layout, layout, video, text, text_file):
    root = make_layout(video, text, text_file, "metadata" if layout == "univtg" else ".")
    data = load_benchmark("charades_sta", root, layout=layout)
    assert (data.video_width, data.text_width, data.clip_length) == (3 + 4 + 2, 5, 1.0)
    # the same names whichever toolkit's folder, so that a model trained on one reads another
    assert (data.feature_names, data.text_name) == (("slowfast", "clip"), "clip")
    assert data.name == "charades_sta" and data.test.queries == data.val.queries != data.train.queries
    example = data.val[0]
    assert example.text.shape == (6, 5)
    np.testing.assert_allclose(np.linalg.norm(example.text, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(example.video[:, :3], axis=1), 1, atol=1e-3)


def test_the_order_of_backbones_is_the_callers_and_is_kept(make_layout):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    one = load_benchmark("charades_sta", root, backbones=("clip", "slowfast"))
    other = load_benchmark("charades_sta", root, backbones=("slowfast", "clip"))
    assert one.feature_names == other.feature_names[::-1] == ("clip", "slowfast")
    np.testing.assert_array_equal(one.val[0].video[:, :4], other.val[0].video[:, 3:7])
    assert one.checksum != other.checksum


def test_glove_may_stand_in_for_token_files(make_layout, tmp_path):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    glove = tmp_path / "glove.txt"
    glove.write_text("a 1 0\nperson 0 1\nopens 1 1\nthe 1 2\ndoor 2 2\n")
    assert load_benchmark("charades_sta", root, text=glove).text_width == 2


def test_annotations_may_lie_elsewhere(make_layout, tmp_path):
    root = make_layout("{backbone}", "clip_text", "qid{qid}.npz")
    (tmp_path / "jsonl").mkdir()
    for path in list(root.glob("*.jsonl")):
        path.rename(tmp_path / "jsonl" / path.name)
    data = load_benchmark("charades_sta", root, layout="lighthouse", annotations=tmp_path / "jsonl")
    assert len(data.train) == 1


def failure(root, **options):
    with pytest.raises(InputError) as caught:
        load_benchmark("charades_sta", root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_missing_or_ambiguous_is_named(make_layout, record, write_lines):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    assert "unknown layout 'r2'" in failure(root, layout="r2")
    assert "backbones is empty" in failure(root, backbones=())
    assert "0 files *test*.jsonl (none)" in failure(root, splits=("train", "val", "test"))
    assert "internvideo: no such folder" in failure(root, backbones=("internvideo",))
    assert "blip_text: no such folder" in failure(root, text="blip")
    (root / "features" / "clip_text" / "qid1.npz").unlink()
    assert "qid1.npz: no such file; encode this query" in failure(root)
    write_lines(root / "val_old.jsonl", [record(5, "v0", [[1, 3]])])
    assert "2 files *val*.jsonl (charades_val_release.jsonl, val_old.jsonl)" in failure(root)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (np.ones((6, 4)), "qid1.npz: width 4; the first query has 5"),
        (np.ones((0, 5)), "qid1.npz: text features of shape (0, 5)"),
        (np.ones(5), "qid1.npz: text features of shape (5,)"),
        (np.full((2, 5), np.nan), "qid1.npz: NaN"),
    ],
)
def test_bad_token_files_are_named(make_layout, tokens, said):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    np.savez(root / "features" / "clip_text" / "qid1.npz", last_hidden_state=tokens)
    assert said in failure(root)


def test_one_hdf5_file_may_stand_for_a_backbones_folder(make_layout):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    root = make_layout("vid_{backbone}", "txt_clip", "{qid}.npz")
    expected = load_benchmark("charades_sta", root, layout="univtg")
    (root / "h5py").mkdir()
    with h5py.File(root / "h5py" / "vid_clip.hdf5", "w") as file:
        for path in list((root / "vid_clip").glob("*.npz")):
            file[path.stem] = np.load(path)["features"]
            path.unlink()
    (root / "vid_clip").rmdir()
    found = load_benchmark("charades_sta", root, layout="univtg")
    assert found.feature_names == ("slowfast", "clip")
    np.testing.assert_array_equal(found.val[0].video, expected.val[0].video)


def test_packed_features_must_have_the_order_asked_for(make_layout):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    folders = [root / "features" / name for name in ("slowfast", "clip")]
    pack_features(["v0", "v1"], folders, root / "packed")
    packed = load_benchmark("charades_sta", root, packed=root / "packed")
    np.testing.assert_array_equal(packed.val[0].video, load_benchmark("charades_sta", root).val[0].video)
    said = failure(root, packed=root / "packed", backbones=("clip", "slowfast"))
    assert "packed from slowfast + clip, asked for clip + slowfast" in said


def test_a_file_may_be_named_where_a_part_of_its_name_is_not_enough(make_layout, record, write_lines):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    write_lines(root / "val_old.jsonl", [record(1, "v0", [[1, 3]])])
    data = load_benchmark("charades_sta", root, splits=("train", "val_old.jsonl", "val_old.jsonl"))
    assert data.val.queries[0].vid == "v0"
    assert load_benchmark("charades_sta", root, annotations=root / "val_old.jsonl").train.queries[0].vid == "v0"


def test_a_text_that_names_no_encoder_is_one_line(make_layout):
    root = make_layout("features/{backbone}", "features/clip_text", "qid{qid}.npz")
    assert "text 'tokens:x': expected" in failure(root, text="tokens:x")
