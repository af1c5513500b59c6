"""What other people's programs do to the scan and the convolution: every check of snnvtg.operator_checks."""

import pytest

from snnvtg.operator_checks import CHECKS, run_check
from snnvtg.scan import CAUSAL_CONV1D, available_backends
from snnvtg.scan.conformance import RUNS, main, trials

SCAN = [name for name, reasons in available_backends().items() if reasons is None and name != "reference"]
CONVOLUTION = [name for name, reasons in CAUSAL_CONV1D.available().items() if reasons is None and name != "reference"]
# what no backend but the reference can do, and says so
REFUSED = {"func jvp", "forward mode", "second derivatives"}
PLAIN_TORCH = ("convolution", "torch")  # torch's own convolution, which has every derivative
SHOWN = "scan, all options, packed"
LONG = {"compiled with dynamic sizes", "exported with dynamic sizes", "spawned loader workers", "vmap over inputs"}


def cases():
    for kind in RUNS:
        for backend in CONVOLUTION if kind.startswith("convolution") else SCAN:
            for check in CHECKS:
                # one kind stands for the others, and one backend where a check takes seconds
                slow = not kind.endswith("packed") or (check in LONG and (kind, backend) != (SHOWN, "cpu"))
                marks = [pytest.mark.slow] if slow else []
                yield pytest.param(kind, backend, check, marks=marks, id=f"{kind}-{backend}-{check}")


@pytest.mark.parametrize("kind, backend, check", list(cases()))
def test_every_check_is_passed_or_refused(kind, backend, check):
    (trial,) = [one for one in trials(backend) if one.name == kind]
    result = run_check(trial, check)
    refuses = check in REFUSED and (kind.split(",")[0], backend) != PLAIN_TORCH
    refuses |= (backend, check) == ("numba", "forked loader workers")
    assert result.outcome == ("refused" if refuses else "passed"), result.detail


def test_the_command_lists_refusals_and_fails_on_failures(capsys, monkeypatch):
    monkeypatch.setattr("snnvtg.operator_checks.CHECKS", {"autocast": CHECKS["autocast"]})
    assert main("torch") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"torch on cpu: {len(RUNS)} passed"
    assert main("mamba-ssm") == 0
    assert "refused  available · scan: it needs cuda tensors" in capsys.readouterr().out
