import numpy as np
import pytest

from snnvtg.errors import InputError
from snnvtg.metrics import bootstrap_interval, paired_comparison


def test_the_interval_agrees_with_the_normal_theory():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap_interval(values, resamples=4000)
    margin = 1.96 * values.std() / 20
    assert found.mean == values.mean()
    assert found.low == pytest.approx(values.mean() - margin, abs=0.01)
    assert found.high == pytest.approx(values.mean() + margin, abs=0.01)


def test_queries_of_one_video_widen_the_interval():
    # ten copies of 40 values hold the information of 40 values
    values = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    groups = np.repeat(np.arange(40), 10)
    single, grouped = bootstrap_interval(values), bootstrap_interval(values, groups)
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(10**0.5, rel=0.1)


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(10.0)
    assert (
        bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    )


def test_a_constant_has_no_width():
    found = bootstrap_interval(np.full(7, 0.5))
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)


def test_paired_queries_cancel_what_they_share():
    generator = np.random.default_rng(0)
    hardness = generator.normal(size=300)
    first = hardness + 0.1 + 0.01 * generator.normal(size=(3, 300))
    second = hardness + 0.01 * generator.normal(size=(2, 300))
    found = paired_comparison(first, second)
    assert found.difference == pytest.approx(0.1, abs=0.005)
    assert 0.09 < found.low < found.high < 0.11  # unpaired the spread would be 0.08
    assert found.ahead == 1


def test_disagreeing_seeds_are_part_of_the_doubt():
    queries = np.zeros(200)
    first = np.stack([queries + 1, queries - 1])
    found = paired_comparison(first, queries)
    # two seeds drawn from {+1, −1}: their mean is −1, 0 or 1, stretched by √2 as two of two seeds scatter too little
    assert found.difference == 0
    assert (found.low, found.high) == pytest.approx((-(2**0.5), 2**0.5))
    assert found.ahead == pytest.approx(0.5, abs=0.05)


def test_the_seeds_variance_is_that_of_their_mean():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(3, 1)), generator.normal(size=(6, 1))
    wide = paired_comparison(np.repeat(first, 20, 1), np.repeat(second, 20, 1), level=0.6827, resamples=40_000)
    expected = np.sqrt(first.var(ddof=1) / 3 + second.var(ddof=1) / 6)
    assert (wide.high - wide.low) / 2 == pytest.approx(expected, rel=0.1)


def test_different_queries_cannot_be_paired():
    with pytest.raises(InputError, match="3 and 4 queries"):
        paired_comparison(np.zeros(3), np.zeros(4))
    with pytest.raises(InputError, match="2 groups for 3 values"):
        bootstrap_interval(np.zeros(3), ["a", "b"])
