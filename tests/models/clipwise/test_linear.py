import dataclasses
import itertools

import numpy as np

from snnvtg.data.controls import shuffled_query
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.metrics import fit_prior, prior_predictions, retrieval_metrics
from snnvtg.models.clipwise.linear import linear_predictions, windows

DATA = SyntheticConfig(num_train=80, num_val=4, num_test=40, min_clips=16, max_clips=20, long_range_fraction=0)


def test_the_window_is_the_one_with_the_largest_sum_above_the_level():
    data = generate(DATA).test
    random = np.random.default_rng(0)
    scores = [random.normal(size=len(data.videos[query.vid])) for query in data.queries]
    for level in (-0.5, 0.0, 5.0):
        for score, query, found in zip(scores, data.queries, windows(scores, data, level), strict=True):
            every = itertools.combinations(range(len(score) + 1), 2)
            first, last = max(every, key=lambda pair: (score - level)[pair[0] : pair[1]].sum())
            expected = (first * data.clip_length, min(last * data.clip_length, query.duration))
            np.testing.assert_allclose(found.pred_relevant_windows[0][:2], expected)


def test_it_reads_the_query_and_beats_the_best_fixed_window():
    data = generate(DATA)
    linear = retrieval_metrics(linear_predictions(data, data.test, 100.0), data.test.queries)
    prior = prior_predictions(data.test.queries, fit_prior(data.train.queries))
    shuffled = shuffled_query(data.test, 0)
    blind = retrieval_metrics(linear_predictions(data, shuffled, 100.0), data.test.queries)
    assert linear["mIoU"] > retrieval_metrics(prior, data.test.queries)["mIoU"] + 5
    assert linear["mIoU"] > blind["mIoU"] + 5


def test_the_split_it_answers_does_not_shape_it():
    data = generate(DATA)
    answers = linear_predictions(data, data.test, 100.0)
    moved = [dataclasses.replace(query, relevant_windows=((0.0, 1.0),)) for query in data.test.queries]
    assert linear_predictions(data, dataclasses.replace(data.test, queries=tuple(moved)), 100.0) == answers
