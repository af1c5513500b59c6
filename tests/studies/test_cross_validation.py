import dataclasses
import functools

import numpy as np
import pytest

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.studies.cross_validation import fold_of, run_folds, without_fold
from snnvtg.studies.presets import with_overrides

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


def test_queries_of_one_video_share_a_fold():
    data = generate(TINY).train
    doubled = dataclasses.replace(data, queries=(*data.queries, *data.queries), texts=(*data.texts, *data.texts))
    folds = fold_of(doubled, 3)
    np.testing.assert_array_equal(folds[: len(data)], folds[len(data) :])


@pytest.mark.parametrize("folds", [1, 13])
def test_a_number_of_folds_that_cannot_be_is_refused(folds):
    with pytest.raises(InputError, match="folds: expected 2 to 12"):
        fold_of(generate(TINY).train, folds)


def test_folds_do_not_look_at_the_test_split_and_resume(tmp_path):
    settings = ["model.width=16", "model.num_blocks=1", "model.num_timesteps=1", "training.epochs=1"]
    preset = with_overrides("demo", [*settings, "model.num_heads=2"])
    where = {"out": tmp_path / "folds.csv", "runs": tmp_path / "runs"}
    table = run_folds(preset, functools.partial(generate_without_test, TINY), folds=2, **where)
    assert table.frame()["queries"].sum() == 12
    again = run_folds(preset, functools.partial(generate_without_test, TINY), folds=2, **where)
    assert again.frame().equals(table.frame())


def generate_without_test(config: SyntheticConfig):
    return dataclasses.replace(generate(config), test=None)


def test_a_figure_that_validation_does_not_have_is_refused_before_anything_runs(tmp_path):
    preset = with_overrides("demo", ["training.select_on=MR-full-mAP"])
    load = functools.partial(generate_without_test, TINY)
    with pytest.raises(InputError, match=r"training\.select_on is 'MR-full-mAP'; figures of"):
        run_folds(preset, load, tmp_path / "folds.csv", tmp_path / "runs", folds=2)
    assert not list(tmp_path.iterdir())
