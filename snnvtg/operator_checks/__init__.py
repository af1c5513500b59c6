"""What other people's programs do to an operator: one suite for every operator and backend of the package.

Transforms of torch.func, forward mode, second derivatives, gradient checkpointing, tracing, compiling and exporting
at other sizes, threads, forked and spawned workers, in-place use, autocast, torch.library.opcheck. Each check takes
an `Trial` and compares with its reference. A backend passes, fails, or refuses: BackendError with its reasons, or
torch's own refusal to compile. A wrong answer, a crash or an error that names no reason is a failure.

    for result in check(trial): ...
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch._dynamo.exc import Unsupported
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from snnvtg.errors import BackendError
from snnvtg.operator_checks import processes, programs, transforms
from snnvtg.operator_checks.subject import Mismatch, Trial, leaves

__all__ = ["CHECKS", "Mismatch", "Result", "Trial", "check", "leaves", "outcome", "run_check"]

CHECKS: dict[str, Callable[[Trial], None]] = {
    function.__name__.replace("_", " "): function
    for module in (transforms, programs, processes)
    for function in module.CHECKS
}


@dataclass(frozen=True)
class Result:
    """Outcome of one check on one case: "passed", "failed" or "refused", and why."""

    check: str
    case: str
    outcome: str
    detail: str = ""


def outcome(check: str, case: str, run: Callable[[], None]) -> Result:
    """Run a check, and say how it went."""
    try:
        run()
    except Mismatch as mismatch:
        return Result(check, case, "failed", str(mismatch))
    except Exception as error:
        reasons = _refusal(error)
        if reasons is not None:
            return Result(check, case, "refused", reasons)
        # a backend that breaks has failed this check; the others still say something
        return Result(check, case, "failed", traceback.format_exc(limit=-2).replace("\n", " | "))
    return Result(check, case, "passed")


def run_check(trial: Trial, check: str) -> Result:
    """Run one check of CHECKS on an trial."""
    return outcome(check, trial.name, lambda: CHECKS[check](trial))


def check(trial: Trial) -> Iterator[Result]:
    """Every check on an trial, one after the other."""
    for name in CHECKS:
        yield run_check(trial, name)


def _refusal(error: BaseException | None) -> str | None:
    """The reasons of the BackendError behind an error, however it was wrapped on the way; None without one."""
    first = error
    while error is not None:
        if isinstance(error, BackendError):
            return "; ".join(error.reasons)
        if isinstance(error, Unsupported | GuardOnDataDependentSymNode):
            return f"torch does not compile it: {str(error).splitlines()[0]}"
        error = error.__cause__ or error.__context__
    # processes and compilers pass on an error's text only
    said = [line for line in str(first).splitlines() if "BackendError: " in line]
    return said[-1].partition("BackendError: ")[2] if said else None
