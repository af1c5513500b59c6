import dataclasses

import numpy as np
import pytest

from snnvtg.data.folds import fold_of, whole_without_fold, without_fold
from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError

TINY = SyntheticConfig(num_train=12, num_val=4, num_test=4, min_clips=12, max_clips=14, long_range_fraction=0)


def test_every_training_query_is_answered_once_by_a_model_that_has_not_seen_its_video():
    data = generate(TINY)
    answered = []
    for fold in range(3):
        part = without_fold(data, fold, 3)
        assert not {q.vid for q in part.train.queries} & {q.vid for q in part.test.queries}
        assert part.val is data.val
        answered += [q.qid for q in part.test.queries]
    assert sorted(answered) == sorted(q.qid for q in data.train.queries)


def test_a_source_with_a_fold_is_that_fold():
    part = DataSource(fold=1, folds=3, synthetic=TINY).load()
    expected = without_fold(generate(TINY), 1, 3)
    assert (part.checksum, part.name) == (expected.checksum, "synthetic without fold 2 of 3")
    assert part.test.queries == expected.test.queries


def test_queries_of_one_video_share_a_fold():
    data = generate(TINY).train
    doubled = dataclasses.replace(data, queries=(*data.queries, *data.queries), texts=(*data.texts, *data.texts))
    folds = fold_of(doubled, 3)
    np.testing.assert_array_equal(folds[: len(data)], folds[len(data) :])


@pytest.mark.parametrize("folds", [1, 13])
def test_a_number_of_folds_that_cannot_be_is_refused(folds):
    with pytest.raises(InputError, match="folds: expected 2 to 12"):
        fold_of(generate(TINY).train, folds)


def test_a_fold_beyond_the_last_is_refused():
    with pytest.raises(InputError, match="fold: expected a number from 0 to 3, got 4"):
        DataSource(fold=4)


def test_all_videos_are_divided_and_three_parts_never_share_one():
    data = generate(TINY)
    answered = []
    for fold in range(4):
        part = whole_without_fold(data, fold, 4)
        train, val, test = ({q.vid for q in split.queries} for split in (part.train, part.val, part.test))
        assert not (train & val or train & test or val & test)
        assert len(train) + len(val) + len(test) == 20
        answered += part.test.queries
    assert sorted(q.qid for q in answered) == sorted(
        q.qid for split in (data.train, data.val, data.test) for q in split.queries
    )


def test_over_all_videos_a_query_keeps_its_words_and_its_video():
    data = generate(TINY)
    part = DataSource(fold=0, folds=4, fold_over="all", synthetic=TINY).load().test
    known = {
        q: text
        for split in (data.train, data.val, data.test)
        for q, text in zip(split.queries, split.texts, strict=True)
    }
    for place, query in enumerate(part.queries):
        np.testing.assert_array_equal(part.texts[place], known[query])
        assert part.videos[query.vid] is not None


def test_two_folds_of_all_videos_leave_none_to_train_on():
    with pytest.raises(InputError, match="expected at least 3"):
        whole_without_fold(generate(TINY), 0, 2)
