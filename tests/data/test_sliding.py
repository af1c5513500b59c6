import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.data.sliding import window_starts, windowed_batches
from snnvtg.errors import InputError
from snnvtg.metrics.merging import merge_predictions
from snnvtg.records import Prediction, Query

QUERY = Query(1, "q", "v", 3600.0, ((100.0, 110.0),))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 500), st.integers(1, 60), st.integers(0, 59))
def test_windows_cover_every_clip_and_share_the_overlap(num_clips, size, overlap):
    if overlap >= size:
        with pytest.raises(InputError, match="overlap"):
            window_starts(num_clips, size, overlap)
        return
    starts = window_starts(num_clips, size, overlap)
    stops = [min(start + size, num_clips) for start in starts]
    assert starts[0] == 0 and stops[-1] == num_clips
    assert all(stop - start == min(size, num_clips) for start, stop in zip(starts, stops, strict=True))
    assert all(stop - start >= overlap for start, stop in zip(starts[1:], stops, strict=False))
    assert starts == sorted(set(starts))


def test_an_hour_is_read_window_by_window():
    features = np.random.default_rng(0).normal(size=(3600, 4)).astype(np.float32)
    read_at_once = []

    def read(start, stop):
        read_at_once.append(stop - start)
        return features[start:stop]

    text = np.ones((3, 5), dtype=np.float32)
    seen = np.zeros(3600, dtype=int)
    for starts, batch in windowed_batches(QUERY, text, read, 3600, 1.0, size=64, overlap=32, batch_size=8):
        assert batch.video.shape == (len(starts), 64, 6) and len(starts) <= 8
        assert not batch.foreground.any()
        for row, start in enumerate(starts):
            np.testing.assert_array_equal(batch.video[row, :, :4], features[start : start + 64])
            # each window has time endpoints of its own
            assert batch.video[row, 0, 4] == 0 and batch.video[row, -1, 5] == pytest.approx(1)
            assert batch.queries[row].duration == 64.0
            seen[start : start + 64] += 1
    assert max(read_at_once) == 64
    assert seen.min() == 1 and seen[100:3500].min() == 2


def part(start, *windows, saliency=()):
    return start, Prediction(1, "q", "v", tuple(windows), tuple(saliency))


def test_windows_move_to_video_time_and_doubles_are_suppressed():
    # both windows of 10 clips of 2 s saw the moment from 14 to 18 s
    merged = merge_predictions(
        [part(0, (14, 18, 0.8), (0, 4, 0.1)), part(5, (4, 8, 0.9), (12, 14, 0.3))], clip_length=2.0, num_clips=15
    )
    assert merged.pred_relevant_windows == ((14, 18, 0.9), (22, 24, 0.3), (0, 4, 0.1))
    assert (merged.qid, merged.query, merged.vid) == (1, "q", "v")


def test_saliency_is_averaged_with_more_weight_away_from_the_border():
    merged = merge_predictions(
        [part(0, saliency=(1, 1, 1, 1)), part(2, saliency=(4, 4, 4, 4))], clip_length=1.0, num_clips=6
    )
    # weights 1 2 2 1: clip 2 is (2·1 + 1·4)/3, clip 3 is (1·1 + 2·4)/3
    assert merged.pred_saliency_scores == pytest.approx((1, 1, 2, 3, 4, 4))


def test_merging_nothing_is_refused():
    with pytest.raises(InputError, match="no predictions to merge"):
        merge_predictions([], clip_length=1.0, num_clips=3)
