import numpy as np

from snnvtg.metrics import nms
from snnvtg.windows import pairwise_iou


def test_overlap_above_the_threshold_is_dropped_and_at_it_kept():
    # IoU of [0, 10] with [0, 5] is 0.5, with [0, 6] 0.6
    windows = np.array([[0, 5, 0.5], [0, 10, 0.9], [0, 6, 0.4]])
    assert nms(windows, 0.5).tolist() == [[0, 10, 0.9], [0, 5, 0.5]]


def test_a_dropped_window_drops_no_other():
    # the second falls to the first; the third overlaps only the second
    windows = np.array([[0, 10, 0.9], [3, 13, 0.8], [6, 16, 0.7]])
    assert nms(windows, 0.5)[:, 0].tolist() == [0, 6]


def test_equal_scores_keep_their_order():
    windows = np.array([[5, 6, 0.5], [0, 1, 0.5], [3, 4, 0.5]])
    assert nms(windows, 0.5)[:, 0].tolist() == [5, 0, 3]


def test_no_windows_give_none():
    assert nms(np.zeros((0, 3)), 0.5).shape == (0, 3)


def test_the_best_few_are_those_of_the_whole_list():
    generator = np.random.default_rng(0)
    windows = generator.uniform(0, 50, size=(200, 3))
    windows[:, 1] += windows[:, 0]
    whole = nms(windows, 0.6)
    assert len(whole) > 5
    np.testing.assert_array_equal(nms(windows, 0.6, most=5), whole[:5])


def test_what_is_kept_does_not_overlap_and_what_is_dropped_does():
    generator = np.random.default_rng(1)
    windows = generator.uniform(0, 50, size=(60, 3))
    windows[:, 1] += windows[:, 0]
    kept = nms(windows, 0.4)
    iou = pairwise_iou(kept[:, :2], windows[:, :2])
    among = pairwise_iou(kept[:, :2], kept[:, :2])
    assert (among[~np.eye(len(kept), dtype=bool)] <= 0.4).all()
    for window, column in zip(windows, iou.T, strict=True):
        better = kept[:, 2] >= window[2]
        assert window.tolist() in kept.tolist() or (column[better] > 0.4).any()
