import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.metrics.average_precision import IOU_THRESHOLDS, ranked_windows, window_average_precision


def padded(windows, most):
    array = np.full((1, most, 2), np.nan)
    array[0, : len(windows)] = np.array(windows, dtype=float).reshape(-1, 2)
    return array


def average_precision(windows, truth, threshold=0.5):
    return window_average_precision(padded(windows, 10), padded(truth, 6), [threshold])[0, 0]


def test_thresholds_are_the_official_ten():
    assert IOU_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_interpolated_precision_worked_by_hand():
    # hit, miss, hit of 3 truths: precision 1 at recall 1/3, 2/3 at recall 2/3, the third never found
    found = average_precision([(0, 10), (50, 60), (20, 30)], [(0, 10), (20, 30), (80, 90)])
    assert found == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    # miss, hit, hit of 2: precision 1/2 then 2/3; interpolation lifts the first to 2/3
    assert average_precision([(50, 60), (0, 10), (20, 30)], [(0, 10), (20, 30)]) == pytest.approx(2 / 3)


def test_a_truth_is_found_once():
    # the second window of the same truth is a false positive
    assert average_precision([(0, 10), (0, 10), (20, 30)], [(0, 10), (20, 30)]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_a_window_takes_the_best_unlocked_truth():
    # both truths meet both windows at ≥ 0.5; the first takes its best [0, 10], the second what is left
    assert average_precision([(0, 10), (0, 9)], [(0, 10), (0, 8)]) == 1


def test_iou_at_the_threshold_counts():
    assert average_precision([(0, 5)], [(0, 10)], 0.5) == 1
    assert average_precision([(0, 5)], [(0, 10)], 0.55) == 0


def test_only_the_first_ten_windows_count_then_the_score_ranks_stably(prediction):
    windows = [(i, i + 1, 0.5) for i in range(10)] + [(100, 101, 0.99)]
    windows[7] = (7, 8, 0.9)
    ranked = ranked_windows([prediction(1, *windows)])
    assert ranked[0, :, 0].tolist() == [7, 0, 1, 2, 3, 4, 5, 6, 8, 9]


def naive(windows, truth, threshold):
    """The same by the definition: greedy matching, precision at each rank, interpolated area over recall."""
    free, hits = list(range(len(truth))), []
    for start, end in windows:
        scored = []
        for index in free:
            a, b = truth[index]
            overlap = max(0, min(end, b) - max(start, a))
            union = (end - start) + (b - a) - overlap
            if union and overlap / union >= threshold:
                scored.append((overlap / union, index))
        hits.append(bool(scored))
        if scored:
            free.remove(max(scored)[1])
    precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
    return sum(max(precision[i:]) for i, hit in enumerate(hits) if hit) / len(truth)


window = st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda w: (w[0], w[0] + w[1]))
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@calm
@given(
    st.lists(window, min_size=1, max_size=10),
    st.lists(window, min_size=1, max_size=6),
    st.sampled_from([0.25, 0.5, 0.75]),
)
def test_agrees_with_the_definition(windows, truth, threshold):
    assert average_precision(windows, truth, threshold) == pytest.approx(naive(windows, truth, threshold))


@calm
@given(st.lists(window, min_size=1, max_size=9), st.lists(window, min_size=1, max_size=6, unique=True), st.data())
def test_a_correct_window_put_first_never_hurts(windows, truth, data):
    # disjoint truths: a window that takes one cannot take another's place
    truth = [(30 * i + a % 10, 30 * i + a % 10 + (b - a)) for i, (a, b) in enumerate(truth)]
    gift = data.draw(st.sampled_from(truth))
    assert average_precision([gift, *windows], truth) >= average_precision(windows, truth) - 1e-12


@calm
@given(st.lists(st.lists(window, min_size=1, max_size=4), min_size=2, max_size=5), st.randoms())
def test_queries_do_not_touch_one_another(groups, random):
    windows = np.concatenate([padded(group, 4) for group in groups])
    truth = np.concatenate([padded(group[::-1][:2], 4) for group in groups])
    order = list(range(len(groups)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        window_average_precision(windows, truth)[order], window_average_precision(windows[order], truth[order])
    )
