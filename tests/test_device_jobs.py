"""The pool that spreads checks of a device over processes: what passes, is refused, fails."""

from types import SimpleNamespace

import pytest

from snnvtg.errors import BackendError
from tests import device_jobs


def check(argument):
    if argument == "refused":
        raise BackendError("b", ["no float64"], "Use another.")
    if argument == "broken":
        raise RuntimeError("illegal\n memory access")


def prepare():
    pass


@pytest.mark.parametrize(("kinds", "status"), [(("fine", "refused"), 0), (("fine", "broken"), 1), (("refused",), 1)])
def test_the_status_says_whether_all_that_ran_passed(kinds, status, capsys, monkeypatch):
    monkeypatch.setattr(device_jobs.multiprocessing, "get_context", lambda kind: SimpleNamespace(Pool=InThisProcess))
    assert device_jobs.run(check, [(kind, kind) for kind in kinds], prepare) == status
    said = capsys.readouterr().out
    assert ("failed  broken: RuntimeError: illegal memory access" in said) == ("broken" in kinds)
    assert "1 refused" in said or "refused" not in kinds


class InThisProcess:
    def __init__(self, workers, start, arguments):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def imap_unordered(self, work, jobs):
        return map(work, jobs)
