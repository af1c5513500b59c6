"""Every reader gives a result, or one line that names the file: whatever the file holds, in seconds."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SLOW, TARGETS, prepared


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_damaged_file_is_read_or_refused_in_one_line(name, tmp_path):
    if name == "hdf5":
        pytest.importorskip("h5py", reason="h5py is not installed")
    target, path, good = prepared(name, tmp_path)

    @settings(
        max_examples=30 if name in SLOW else 100,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.integers(0, 2**32 - 1))
    def holds(seed):
        target.try_one(path, good, seed)

    holds()


@pytest.mark.parametrize(
    ("name", "case"), [("provenance", 1720641389), ("table", 3334222136), ("sweep", 586754412), ("sweep", 1271620076)]
)
def test_what_a_run_by_hand_found_stays_mended(name, case, tmp_path):
    target, path, good = prepared(name, tmp_path)
    target.try_one(path, good, case)
