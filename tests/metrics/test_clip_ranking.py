import numpy as np
import pytest

from snnvtg.errors import InputError
from snnvtg.metrics import tvsum_metrics, youtube_metrics
from snnvtg.metrics.clip_ranking import trapezoid_average_precision


def rated(query, qid, *raters, domain="BK"):
    """One video: a list of per-clip scores for each rater."""
    return query(qid, ratings=dict(enumerate(zip(*raters, strict=True))), tags=(domain,))


def test_trapezoids_worked_by_hand():
    # hit, miss, hit: recall 0→1/2 under (1 + 1)/2, then 1/2→1 under (1/2 + 2/3)/2
    found = trapezoid_average_precision(np.array([[True, False, True], [False, True, False], [False] * 3]))
    # miss, hit: the whole recall lies under (0 + 1/2)/2
    np.testing.assert_allclose(found, [0.5 + 0.5 * (1 / 2 + 2 / 3) / 2, 0.25, 0])


def test_tvsum_counts_positives_inside_the_top_five_alone(query, prediction):
    # median 2.5: clips 3 to 5 are positive; the five best-scored are clips 0 to 4: miss, miss, miss, hit, hit
    video = rated(query, 1, [1, 1, 2, 3, 4, 5])
    found = tvsum_metrics([prediction(1, saliency=(6, 5, 4, 3, 2, 1))], [video])
    expected = 0.5 * (0 + 1 / 4) / 2 + 0.5 * (1 / 4 + 2 / 5) / 2
    assert found == pytest.approx({"mAP": 100 * expected, "mAP-BK": 100 * expected})


def test_tvsum_positive_is_above_the_annotators_own_median(query, prediction):
    # the first annotator's median 3 is met by the best clip, which is not above it; the second's is exceeded
    video = rated(query, 1, [3, 3, 3], [5, 1, 1])
    found = tvsum_metrics([prediction(1, saliency=(3, 2, 1))], [video])
    assert found["mAP"] == pytest.approx(100 * (0 + 1) / 2)


def test_domains_weigh_the_same_however_many_videos_they_have(query, prediction):
    good, bad = [1, 0, 0], [0, 0, 1]
    queries = [rated(query, 1, good, domain="A"), rated(query, 2, good, domain="A"), rated(query, 3, bad, domain="B")]
    found = youtube_metrics([prediction(i, saliency=(3, 2, 1)) for i in (1, 2, 3)], queries)
    # a single hit at rank 3: (0 + 1/3)/2
    assert found == pytest.approx({"mAP": 100 * (1 + 1 / 6) / 2, "mAP-A": 100, "mAP-B": 100 / 6})


def test_youtube_positive_is_a_match_above_0_over_the_whole_list(query, prediction):
    # match −1, 0 are negative; seven clips, the only positive ranked last
    video = rated(query, 1, [-1, 0, -1, -1, 0, 0, 1])
    found = youtube_metrics([prediction(1, saliency=(7, 6, 5, 4, 3, 2, 1))], [video])
    assert found["mAP"] == pytest.approx(100 * (1 / 7) / 2)


def test_a_video_without_a_positive_counts_as_0(query, prediction):
    queries = [rated(query, 1, [-1, 0]), rated(query, 2, [1, -1])]
    found = youtube_metrics([prediction(i, saliency=(2, 1)) for i in (1, 2)], queries)
    assert found["mAP"] == pytest.approx(50)


def test_too_few_scores_and_unrated_videos_are_named(query, prediction):
    with pytest.raises(InputError, match="qid 1: 2 pred_saliency_scores for 3 clips"):
        tvsum_metrics([prediction(1, saliency=(1, 2))], [rated(query, 1, [1, 2, 3])])
    with pytest.raises(InputError, match="qid 1 has no rated clips"):
        youtube_metrics([prediction(1, saliency=(1, 2))], [query(1)])
