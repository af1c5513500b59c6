"""Does a LIF backend equal the law? A suite anybody can run on any backend, this package's or their own.

    python -m snnvtg.neurons.conformance fused
    python -m snnvtg.neurons.conformance my_package.my_module:MY_BACKEND --device cuda

Each check runs on each kind of neuron. A backend passes a check, fails it, or refuses the neuron with its reasons: a
refusal is honest and no failure.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from snnvtg.errors import BackendError
from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.conformance.cases import CASES
from snnvtg.neurons.conformance.checks import CHECKS, Mismatch, Subject

__all__ = ["CASES", "CHECKS", "Result", "Subject", "conform", "run_check"]


@dataclass(frozen=True)
class Result:
    """Outcome of one check on one kind of neuron: "passed", "failed" or "refused", and why."""

    check: str
    case: str
    outcome: str
    detail: str = ""


def run_check(subject: Subject, check: str, case: str) -> Result:
    """Run one check of CHECKS on one neuron of CASES."""
    try:
        CHECKS[check](subject, CASES[case])
    except BackendError as refusal:
        return Result(check, case, "refused", "; ".join(refusal.reasons))
    except Mismatch as mismatch:
        return Result(check, case, "failed", str(mismatch))
    except Exception:
        # a backend that breaks has failed this check; the others still say something
        return Result(check, case, "failed", traceback.format_exc(limit=-2).replace("\n", " | "))
    return Result(check, case, "passed")


def conform(backend: Backend, device: str = "cpu") -> Iterator[Result]:
    """Every check on every kind of neuron, one after the other."""
    subject = Subject(backend, device)
    for check in CHECKS:
        for case in CASES:
            yield run_check(subject, check, case)
