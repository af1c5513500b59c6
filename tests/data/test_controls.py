import numpy as np
import pytest

from snnvtg.data import GroundingDataset
from snnvtg.data.controls import CONTROLS, constant_video, other_video, shuffled_clips
from snnvtg.data.features import join_backbones, time_endpoints
from snnvtg.errors import InputError
from snnvtg.records import Query

LENGTHS = {"a": 4, "b": 6, "c": 3}


@pytest.fixture
def split():
    """Three videos whose clips are numbered: clip i of the v-th video is (10 v + i, -i)."""
    videos = {}
    for number, (vid, length) in enumerate(LENGTHS.items()):
        clips = np.arange(length, dtype=np.float32)
        videos[vid] = join_backbones([np.stack([10 * number + clips, -clips], 1)])
    queries = tuple(Query(i, "words", vid, float(LENGTHS[vid]), ((0.0, 1.0),)) for i, vid in enumerate("aabcc"))
    return GroundingDataset(queries, videos, tuple(np.ones((1, 2), np.float32) for _ in queries), 1.0)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_keeps_lengths_queries_and_time_endpoints_and_repeats_with_its_seed(name, split):
    shown = CONTROLS[name](split, 0)
    assert len(shown) == len(split)
    assert [q.relevant_windows for q in shown.queries] == [q.relevant_windows for q in split.queries]
    for vid, length in LENGTHS.items():
        assert shown.videos[vid].shape == (length, 4) and shown.videos[vid].dtype == np.float32
        np.testing.assert_allclose(shown.videos[vid][:, 2:], time_endpoints(length), rtol=1e-6)
        np.testing.assert_array_equal(shown.videos[vid], CONTROLS[name](split, 0).videos[vid])


@pytest.mark.parametrize("seed", range(5))
def test_no_video_is_its_own_other(split, seed):
    shown = other_video(split, seed)
    for number, vid in enumerate(LENGTHS):
        assert not np.isin(shown.videos[vid][:, 0] // 10, number).any()
        assert len(np.unique(shown.videos[vid][:, 0] // 10)) == 1


def test_shuffled_clips_are_the_same_clips_in_another_order(split):
    shown = shuffled_clips(split, 1)
    for vid in LENGTHS:
        np.testing.assert_array_equal(np.sort(shown.videos[vid][:, 0]), split.videos[vid][:, 0])
    assert any((shown.videos[vid][:, 0] != split.videos[vid][:, 0]).any() for vid in LENGTHS)


def test_a_constant_video_is_its_mean(split):
    shown = constant_video(split, 0)
    assert (shown.videos["b"][:, :2] == np.float32([12.5, -2.5])).all()


def test_one_video_has_no_other(split):
    with pytest.raises(InputError, match="needs at least two videos"):
        other_video(split.subset([0, 1]), 0)
