"""Damaged files of every kind: flipped bytes, cut lines, absurd values. Each is read or gives one clear line."""

import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.data.benchmarks import BENCHMARKS
from snnvtg.data.feature_rows import open_rows
from snnvtg.data.features import read_features
from snnvtg.data.packed import PackedFeatures, pack_features
from snnvtg.data.r2_features import last_layer_cls
from snnvtg.data.submissions import read_submission
from snnvtg.data.text import GloveText
from snnvtg.data.text_files import read_tokens
from snnvtg.data.video_rankings import read_video_rankings
from snnvtg.errors import InputError
from tests.fuzz.damage import flip

fuzz = settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROWS = np.arange(1.0, 25.0, dtype=np.float32).reshape(8, 3)
MOMENT = {
    "qid": 1, "query": "a b", "duration": 16.0, "vid": "v", "relevant_windows": [[0, 4], [6, 16]],
    "relevant_clip_ids": [0, 1, 3], "saliency_scores": [[1, 2, 3], [4, 4, 4], [2, 2, 0]],
}  # fmt: skip
TVSUM = {"qid": 1, "query": "q", "duration": 2, "vid": "v", "domain": "BK", "label": [[1, 2], [3, 4]]}
YOUTUBE = {"qid": 1, "query": "q", "duration": 2, "vid": "v", "domain": "dog", "match": [1, -1]}
ANSWER = {"qid": 1, "query": "q", "vid": "v", "pred_relevant_windows": [[0, 4, 0.5]], "pred_saliency_scores": [0.1]}
RANKED = {"qid": 1, "pred_videos": [["v", 1.0], ["w", 0.5]]}
LINES = {
    "qvhighlights": (MOMENT, BENCHMARKS["qvhighlights"].read_to_train),
    "unanswered": (MOMENT, BENCHMARKS["qvhighlights"].read_unanswered),
    "tvsum": (TVSUM, BENCHMARKS["tvsum"].read_to_train),
    "youtube": (YOUTUBE, BENCHMARKS["youtube_highlights"].read_to_train),
    "submission": (ANSWER, read_submission),
    "rankings": (RANKED, read_video_rankings),
}
SCALARS = (None, True, "", "x", "\ud800", "\0", "../x", "a" * 500, 0, -1, 2**63, 10**400, 1e308, -1e308, 5e-324)
LISTS = ([], {}, [[]], [None], [[0, 1e308]], [[1, 0]], [1.5], [10**30], [[1, 2, 3]] * 2)
absurd = st.sampled_from([*SCALARS, *LISTS, float("nan"), float("inf")])


def damage(content: bytes, seed: int) -> bytes:
    """`content` with some bytes damaged."""
    return flip(content, random.Random(seed))


def one_line(read, path, name=None):
    """Read; an error must be a single line that names the file."""
    try:
        read(path)
    except InputError as error:
        assert (name or path.name) in str(error)
        assert "\n" not in str(error) and "\r" not in str(error)


@pytest.mark.parametrize("kind", list(LINES))
def test_damaged_lines(kind, tmp_path):
    good, read = LINES[kind]
    path = tmp_path / "lines.jsonl"

    @fuzz
    @given(st.integers(0, 2**32), st.dictionaries(st.sampled_from(list(good)), absurd, max_size=2), st.booleans())
    def holds(seed, changes, twice):
        lines = [good, {**good, "qid": 1 if twice else 2, **changes}]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        path.write_bytes(content if changes else damage(content, seed))
        one_line(read, path)

    holds()


@pytest.mark.parametrize("kind", list(LINES))
@pytest.mark.parametrize(
    ("second", "said"),
    [
        (b"{", ":2: malformed JSON"),
        (b"\xff\xfe{}", ":2: not UTF-8"),
        (b"[1]", ":2: a list; expected one JSON object"),
        (b'{"qid": "\\ud800"}', ":2: half a character"),
        (b"{}", ":2: key"),
        (None, ":2: duplicate qid 1, first at"),
    ],
)
def test_the_line_at_fault_is_named(kind, second, said, tmp_path):
    good, read = LINES[kind]
    line = json.dumps(good).encode()
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n" + (line if second is None else second))
    with pytest.raises(InputError) as caught:
        read(path)
    # an empty submission line lacks its qid, another its first key: each is said with the line
    assert f"{path}{said}" in str(caught.value) or (second == b"{}" and f"{path}:2: " in str(caught.value))


def save_pair(folder):
    np.save(folder / "v_rgb.npy", ROWS)
    np.save(folder / "v_opt.npy", ROWS)
    return folder / "v_rgb.npy"


def save_npz(folder, **arrays):
    np.savez_compressed(folder / "v.npz", **arrays)
    return folder / "v.npz"


def save_npy(folder, array):
    np.save(folder / "v.npy", array)
    return folder / "v.npy"


def all_rows(path):
    video = open_rows(path)
    return video.read(0, video.num_clips)


def glove(path):
    return GloveText(path, ["a man"])


def words(folder):
    path = folder / "glove.txt"
    path.write_text("a 1 0.5 -1e-3\nman 2 0 1\nthe 3 0 0\n")
    return path


BINARY = {
    "npz": (lambda folder: save_npz(folder, features=ROWS), read_features),
    "npy": (lambda folder: save_npy(folder, ROWS), read_features),
    "pair": (save_pair, read_features),
    "npz rows": (lambda folder: save_npz(folder, features=ROWS), all_rows),
    "npy rows": (lambda folder: save_npy(folder, ROWS), all_rows),
    "pair rows": (save_pair, all_rows),
    "tokens": (lambda folder: save_npz(folder, last_hidden_state=ROWS), read_tokens),
    "r2": (lambda folder: save_npy(folder, np.ones((2, 2, 3, 4), np.float16)), last_layer_cls),
    "glove": (words, glove),
}


@pytest.mark.parametrize("kind", list(BINARY))
def test_damaged_files(kind, tmp_path):
    make, read = BINARY[kind]
    path = make(tmp_path)
    content = path.read_bytes()
    read(path)

    @fuzz
    @given(st.integers(0, 2**32))
    def holds(seed):
        path.write_bytes(damage(content, seed))
        one_line(read, path)

    holds()


@pytest.mark.parametrize("file", ["index.json", "rows.bin"])
def test_damaged_packed_features(file, tmp_path):
    (tmp_path / "clip").mkdir()
    np.savez(tmp_path / "clip" / "v.npz", features=ROWS)
    pack_features(["v"], [tmp_path / "clip"], tmp_path / "packed")
    content = (tmp_path / "packed" / file).read_bytes()

    def read(path):
        packed = PackedFeatures(path)
        return [packed[vid] for vid in packed]

    @fuzz
    @given(st.integers(0, 2**32))
    def holds(seed):
        (tmp_path / "packed" / file).write_bytes(damage(content, seed))
        one_line(read, tmp_path / "packed")

    holds()


def test_a_damaged_hdf5_file(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "c3d.h5"
    with h5py.File(path, "w") as file:
        file["v"] = ROWS
        file["g/c3d"] = ROWS
    content = path.read_bytes()

    @fuzz
    @given(st.integers(0, 2**32), st.sampled_from(["v", "g", "none"]))
    def holds(seed, vid):
        path.write_bytes(damage(content, seed))
        one_line(read_features, path / vid, name="c3d.h5")

    holds()
