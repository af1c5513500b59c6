import pytest

from tests.energy.networks import CaseA


@pytest.fixture
def case_a() -> CaseA:
    return CaseA()
