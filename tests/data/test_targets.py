import numpy as np

from snnvtg.data.targets import clip_targets
from snnvtg.records import Query


def query(*windows, **more):
    return Query(1, "q", "v", 10.0, windows, **more)


def test_a_clip_is_foreground_where_its_centre_lies_in_the_window():
    # centres 1, 3, 5, 7, 9 s; window [2, 7]
    foreground, boundaries, saliency = clip_targets(query((2.0, 7.0)), 5, 2.0)
    assert foreground.tolist() == [False, True, True, True, False]
    # clip 1: centre 3 s, 1 s after the start, 4 s before the end, in clips of 2 s
    assert boundaries.tolist() == [[0, 0], [0.5, 2], [1.5, 1], [2.5, 0], [0, 0]]
    assert saliency.tolist() == [0, 1, 1, 1, 0]


def test_a_window_without_a_centre_takes_the_nearest_clip():
    foreground, boundaries, _ = clip_targets(query((2.2, 2.6)), 5, 2.0)
    assert foreground.tolist() == [False, True, False, False, False]
    np.testing.assert_allclose(boundaries[1], [0.4, -0.2], atol=1e-6)


def test_a_window_beyond_trimmed_features_takes_the_last_clip():
    foreground, _, _ = clip_targets(query((8.0, 10.0)), 2, 2.0)
    assert foreground.tolist() == [False, True]


def test_where_windows_overlap_the_shorter_gives_the_boundaries():
    _, boundaries, _ = clip_targets(query((0.0, 10.0), (4.0, 6.0)), 5, 2.0)
    assert boundaries[2].tolist() == [0.5, 0.5]
    assert boundaries[1].tolist() == [1.5, 3.5]


def test_ratings_are_averaged_over_raters_and_0_elsewhere():
    rated = query((0.0, 4.0), relevant_clip_ids=(0, 1, 7), saliency_scores=((1, 2, 3), (4, 4, 4), (1, 1, 1)))
    _, _, saliency = clip_targets(rated, 5, 2.0)
    assert saliency.tolist() == [2, 4, 0, 0, 0]
