import os
import time
from pathlib import Path

import numpy as np
import pytest

from snnvtg.data import load_folder
from snnvtg.errors import InputError


def test_a_folder_loads_whole(folder):
    data = load_folder(folder)
    assert (len(data.train), len(data.val), len(data.test)) == (1, 1, 1)
    assert (data.name, data.video_width, data.text_width) == ("small", 5, 2)
    assert (data.feature_names, data.text_name, data.clip_length) == (("clip",), "glove", 1.0)
    example = data.val[0]
    assert example.video.shape == (5, 5) and example.text.tolist()[0] == [1, 0]
    raw = np.arange(1.0, 4.0) + 1
    np.testing.assert_allclose(example.video[0, :3], raw / np.linalg.norm(raw), rtol=1e-5)


def test_the_checksum_follows_annotations_features_and_text(folder, record, write_lines):
    def now():
        return load_folder(folder).checksum

    first = now()
    assert first == now() and len(first) == 16
    (folder / "README.txt").write_text("not data")
    assert now() == first
    write_lines(folder / "val.jsonl", [record(1, "video_val", [[0.0, 2.5]])])
    second = now()
    np.savez(folder / "features" / "clip" / "video_test.npz", features=np.ones((5, 3)))
    third = now()
    glove = folder / "glove.tiny.txt"
    glove.write_text(glove.read_text().replace("door -1", "door -2"))
    assert len({first, second, third, now()}) == 4


def failure(folder, **options):
    with pytest.raises(InputError) as caught:
        load_folder(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_split_and_features_are_named(folder):
    assert "nowhere: no such folder" in failure(folder / "nowhere")
    (folder / "val.jsonl").rename(folder / "dev.jsonl")
    assert "val.jsonl: no such file" in failure(folder)
    (folder / "dev.jsonl").rename(folder / "val.jsonl")
    (folder / "features" / "clip" / "video_val.npz").unlink()
    assert "video_val.npz: no such file" in failure(folder)
    (folder / "features").rename(folder / "feats")
    assert "features: no such folder" in failure(folder)


def test_the_program_does_not_choose_between_backbones_or_vectors(folder):
    (folder / "features" / "slowfast").mkdir()
    assert "2 feature folders (clip, slowfast); name those to use" in failure(folder)
    assert load_folder(folder, feature_folders=["features/clip"]).feature_names == ("clip",)
    assert "none: no such folder" in failure(folder, feature_folders=["features/none"])
    (folder / "glove.other.txt").write_text("a 1 0\n")
    assert "2 files glove*.txt (glove.other.txt, glove.tiny.txt)" in failure(folder, feature_folders=["features/clip"])
    named = load_folder(folder, feature_folders=["features/clip"], text=folder / "glove.tiny.txt")
    assert named.text_width == 2


def test_a_width_that_differs_names_the_file(folder):
    np.savez(folder / "features" / "clip" / "video_test.npz", features=np.ones((5, 4)))
    assert "video_test.npz: width 4; the other videos have 3" in failure(folder)


def test_a_clip_length_that_does_not_fit_says_which_does(folder):
    assert "a clip_length of 4 s does not fit (nor in 2 other videos); clip_length=1 fits" in failure(
        folder, clip_length=4.0
    )
    np.savez(folder / "features" / "clip" / "video_val.npz", features=np.ones((30, 3)))
    assert "video_val.npz: 30 rows for a duration of 5 s, at 1 s per row" in failure(folder)
    assert "clip_length is 0" in failure(folder, clip_length=0)


def test_a_qid_may_return_in_another_split_but_not_with_another_duration(folder, record, write_lines):
    write_lines(folder / "val.jsonl", [record(1, "video_train", [[0.0, 2.0]], duration=3.0)])
    assert "video_train" in failure(folder)


@pytest.mark.skipif("SNNVTG_DATA" not in os.environ, reason="SNNVTG_DATA names no folder of real data")
def test_real_charades_features_load_in_seconds():
    start = time.perf_counter()
    data = load_folder(Path(os.environ["SNNVTG_DATA"]) / "charades_sta")
    seconds = time.perf_counter() - start
    assert (len(data.train), len(data.val), len(data.test)) == (2228, 290, 448)
    assert (data.video_width, data.text_width) == (514, 300)
    # 1.2 s on two idle cores; the bound is for a busy machine
    assert seconds < 15
    video = data.train[0].video
    np.testing.assert_allclose(np.linalg.norm(video[:, :512], axis=1), 1, atol=1e-3)
