"""The list of operators without a rule is kept, shrinks, and holds none that a spiking library calls."""

import importlib.util
from pathlib import Path

import pytest

from tests.energy.operator_table import called_in, kept, version, without_rule


def test_the_kept_list_is_that_of_torchs_operator_table():
    of, names = kept()
    if of != version():
        pytest.skip(f"the list is of torch {of}, this is {version()}; python tests/energy/operator_table.py writes it")
    found = without_rule()
    assert not found - names, "operators that lost their rule, or are new; price them or write the list again"
    assert not names - found, "operators that have a rule by now; write the list again"


@pytest.mark.parametrize("library", ["spikingjelly", "snntorch", "norse", "sinabs", "snnvtg"])
def test_no_spiking_library_calls_an_operator_without_a_rule(library):
    spec = importlib.util.find_spec(library)
    if spec is None:
        pytest.skip(f"{library} is not installed")
    called = called_in(Path(spec.origin).parent)
    assert len(called) > 20
    assert not called & without_rule()
