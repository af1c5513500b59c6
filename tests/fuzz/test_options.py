"""Every option of every command is taken, or refused in one line with exit status 2."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.options import COMMAND_OPTIONS, try_options


@pytest.mark.parametrize("name", list(COMMAND_OPTIONS))
def test_a_command_line_is_taken_or_refused_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    @settings(
        max_examples=50, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(st.integers(0, 2**32 - 1))
    def holds(seed):
        try_options(name, seed)

    holds()


def test_every_command_is_among_them():
    from snnvtg.cli import COMMANDS

    assert set(COMMANDS) <= set(COMMAND_OPTIONS)
    assert "tools/check_data" in COMMAND_OPTIONS
