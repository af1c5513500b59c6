import numpy as np
import pytest

from snnvtg.data import statistics
from snnvtg.data.statistics import mean_and_deviation


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_statistics_of_parts_are_those_of_all_rows_at_once(rows, monkeypatch):
    monkeypatch.setattr(statistics, "ROWS", rows)
    generator = np.random.default_rng(0)
    parts = [(1e3 + generator.standard_normal((length, 3))).astype(np.float32) for length in (5, 1, 30, 2, 11)]
    whole = np.concatenate(parts).astype(np.float64)
    mean, deviation = mean_and_deviation(iter(parts))
    np.testing.assert_allclose(mean, whole.mean(0), rtol=1e-14)
    np.testing.assert_allclose(deviation, whole.std(0), rtol=1e-10)


def test_one_row_never_varies_and_none_is_refused():
    mean, deviation = mean_and_deviation([np.array([[2.0, -1.0]])])
    assert mean.tolist() == [2, -1] and deviation.tolist() == [0, 0]
    with pytest.raises(ValueError, match="no rows"):
        mean_and_deviation([])
