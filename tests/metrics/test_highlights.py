import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.errors import InputError
from snnvtg.metrics.highlights import clip_average_precision, hit_at_1, predicted_scores, true_ratings


def average_precision(scores, positive):
    scores, positive = np.array([scores], dtype=float), np.array([[positive]], dtype=bool)
    return clip_average_precision(scores, positive, np.ones(scores.shape, dtype=bool))[0, 0]


def test_average_precision_worked_by_hand():
    # ranked: positive, negative, positive → precisions 1 and 2/3
    assert average_precision([0.9, 0.5, 0.4], [1, 0, 1]) == pytest.approx((1 + 2 / 3) / 2)
    # negative, positive, positive → 1/2 and 2/3, interpolated 2/3 and 2/3
    assert average_precision([0.9, 0.5, 0.4], [0, 1, 1]) == pytest.approx(2 / 3)


def test_tied_clips_count_as_one_step():
    # two positives and a negative share the best score: one step of precision 2/3, then 3/4
    assert average_precision([0.9, 0.9, 0.9, 0.1], [1, 0, 1, 1]) == pytest.approx((3 / 4 + 3 / 4) / 2)
    assert average_precision([0.9, 0.9, 0.9, 0.1], [1, 0, 1, 0]) == pytest.approx(2 / 3)


def test_no_positive_gives_0_and_nothing_but_positives_1():
    assert average_precision([0.1, 0.9], [0, 0]) == 0
    assert average_precision([0.1, 0.9], [1, 1]) == 1


def naive(scores, positive):
    if all(positive) or not any(positive):
        return float(all(positive))
    steps = []
    for level in sorted(set(scores), reverse=True):
        taken = [p for s, p in zip(scores, positive, strict=True) if s >= level]
        steps.append((sum(taken) / len(taken), sum(taken)))
    kept, before = [], 0
    for index, (_, found) in enumerate(steps):
        if found > before:
            kept.append(max(precision for precision, _ in steps[index:]))
        before = found
    return sum(kept) / len(kept)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(-2, 4), st.booleans()), min_size=1, max_size=12), st.integers(0, 4))
def test_agrees_with_the_definition_whatever_the_padding(clips, padding):
    scores, positive = (list(column) for column in zip(*clips, strict=True))
    mask = np.array([[True] * len(clips) + [False] * padding])
    padded_scores = np.array([[*scores, *[-np.inf] * padding]], dtype=float)
    padded_positive = np.array([[[*positive, *[False] * padding]]])
    found = clip_average_precision(padded_scores, padded_positive, mask)[0, 0]
    assert found == pytest.approx(naive(scores, positive))


def test_hit_takes_the_first_best_clip_and_any_rater(prediction):
    positive = np.array([[[1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]], dtype=bool)
    predictions = [prediction(1, saliency=(0.5, 0.5, 0.1)), prediction(2, saliency=(0.1, 0.5, 0.5))]
    assert hit_at_1(predictions, positive).tolist() == [1, 0]


def test_a_best_clip_beyond_the_video_is_a_miss(prediction):
    positive = np.ones((1, 1, 2), dtype=bool)
    assert hit_at_1([prediction(1, saliency=(0.1, 0.2, 0.9))], positive).tolist() == [0]


def test_missing_scores_are_0_and_extra_ones_cut(prediction):
    mask = np.array([[True, True, True, False]])
    assert predicted_scores([prediction(1, saliency=(-1.0,))], mask).tolist() == [[-1, 0, 0, -np.inf]]
    assert predicted_scores([prediction(1, saliency=(1, 2, 3, 4, 5))], mask).tolist() == [[1, 2, 3, -np.inf]]


def test_ratings_are_laid_out_by_rater_and_clip(query):
    ratings, mask = true_ratings(
        [query(1, duration=5.0, ratings={1: (4, 2)}), query(2, duration=6.5, ratings={0: (1, 3)})]
    )
    assert ratings.tolist() == [[[0, 4, 0], [0, 2, 0]], [[1, 0, 0], [3, 0, 0]]]
    assert mask.tolist() == [[True, True, False], [True, True, True]]  # int(5 / 2) = 2 clips, int(6.5 / 2) = 3


def test_a_duration_that_is_not_in_seconds_is_named_before_memory_runs_out(query):
    with pytest.raises(InputError, match=r"qid 2: a duration of 1\.5e\+11 s; a QVHighlights video has 150 s"):
        true_ratings([query(1, ratings={0: (1, 3)}), query(2, duration=150e9, ratings={0: (1, 3)})])


def test_a_rated_clip_beyond_the_video_is_named(query):
    with pytest.raises(InputError, match="qid 1 rates clip 2, its video of 5 s has clips 0 to 1"):
        true_ratings([query(1, duration=5.0, ratings={2: (4, 2)})])
