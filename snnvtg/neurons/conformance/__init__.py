"""Does a LIF backend equal the reference? A suite anybody can run on any backend, this package's or their own.

    python -m snnvtg.neurons.conformance fused
    python -m snnvtg.neurons.conformance my_module:MY_BACKEND --device cuda
    python -m snnvtg.neurons.conformance my_backend.py:MY_BACKEND --part values

Each check of values and gradients runs on each kind of neuron; then the checks of snnvtg.operator_checks, what other
people's programs do to an operator, run on a few. A backend passes a check, fails it, or refuses the neuron or the use
with its reasons: a refusal is honest and no failure.
"""

from collections.abc import Iterator

from snnvtg import operator_checks
from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.conformance import extended_checks  # noqa: F401 (enters its checks)
from snnvtg.neurons.conformance.cases import CASES
from snnvtg.neurons.conformance.checks import CHECKS, Subject
from snnvtg.neurons.conformance.programs import KINDS, trials
from snnvtg.operator_checks import Result

__all__ = ["CASES", "CHECKS", "KINDS", "Result", "Subject", "conform", "programs", "run_check", "values"]

ONCE = ("spawned loader workers",)  # seconds each, and the same whatever the neuron


def run_check(subject: Subject, check: str, case: str) -> Result:
    """Run one check of CHECKS on one neuron of CASES."""
    return operator_checks.outcome(check, case, lambda: CHECKS[check](subject, CASES[case]))


def values(subject: Subject) -> Iterator[Result]:
    """Every check of values and gradients on every kind of neuron."""
    for check in CHECKS:
        for case in CASES:
            yield run_check(subject, check, case)


def programs(subject: Subject) -> Iterator[Result]:
    """Every check of snnvtg.operator_checks on each of KINDS."""
    for i, trial in enumerate(trials(subject.backend, subject.device, subject.spec)):
        for check in operator_checks.CHECKS:
            if i == 0 or check not in ONCE:
                yield operator_checks.run_check(trial, check)


def conform(backend: Backend, device: str = "cpu", spec: str | None = None, part: str = "all") -> Iterator[Result]:
    """One part or all, one after the other; `spec` is the name a fresh process finds the backend by."""
    subject = Subject(backend, device, spec)
    if part in ("all", "values"):
        yield from values(subject)
    if part in ("all", "programs"):
        yield from programs(subject)
