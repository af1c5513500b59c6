import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from snnvtg.windows import (
    aligned_iou,
    centre_width,
    clamp_windows,
    clip_centres,
    clips_to_windows,
    pairwise_iou,
    span_to_window,
    start_end,
    window_to_span,
)

seconds = st.floats(0, 1000, allow_nan=False, width=32)
windows = st.tuples(seconds, seconds).map(sorted)


def test_iou_worked_by_hand():
    # [0, 4] and [2, 8]: 2 s shared of 8 s
    assert pairwise_iou([[0, 4]], [[2, 8], [0, 4], [4, 8]]).tolist() == [[0.25, 1.0, 0.0]]


def test_iou_of_two_empty_intervals_is_0():
    assert aligned_iou(np.array([3.0, 3.0]), np.array([3.0, 3.0])) == 0


@given(windows, windows)
def test_iou_is_symmetric_and_bounded(first, second):
    forward, backward = pairwise_iou([first], [second]), pairwise_iou([second], [first])
    assert forward == backward
    assert 0 <= forward <= 1


@given(windows)
def test_iou_with_itself_is_1_where_it_has_length(window):
    assert pairwise_iou([window], [window]) == (1 if window[1] > window[0] else 0)


@given(windows, st.floats(0.1, 1000))
def test_span_and_window_round_trip(window, duration):
    back = span_to_window(window_to_span(np.array(window), duration), duration)
    np.testing.assert_allclose(back, window, rtol=1e-12)


@given(windows)
def test_centre_width_round_trip(window):
    start, end = start_end(*centre_width(np.array(window, dtype=float)))
    np.testing.assert_allclose([start, end], window, atol=1e-9)


def test_centre_width_takes_tensors():
    centre, width = centre_width(torch.tensor([[2.0, 6.0]]))
    assert (centre.item(), width.item()) == (4.0, 4.0)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_clip_distances_become_windows(make):
    # clip 1 of 2 s has its centre at 3 s; 1 clip back and 2.5 on give 1 to 8 s
    distances = make([[0.5, 0.5], [1.0, 2.5]])
    centres = make(clip_centres(2, 2.0).tolist())
    assert clips_to_windows(distances, centres, 2.0).tolist() == [[0.0, 2.0], [1.0, 8.0]]
    assert distances.tolist() == [[0.5, 0.5], [1.0, 2.5]]  # the argument is left alone


def test_clamped_windows_stay_in_the_video_and_in_order():
    clamped = clamp_windows(np.array([[-2.0, 3.0], [5.0, 99.0], [7.0, 6.0]]), 10.0)
    assert clamped.tolist() == [[0.0, 3.0], [5.0, 10.0], [6.0, 6.0]]
