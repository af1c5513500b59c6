"""`python -m snnvtg.neurons.conformance BACKEND`: exit status 0 if nothing failed, 1 if something did."""

import sys
from collections import Counter
from typing import Annotated, Literal

import tyro

from snnvtg.errors import InputError
from snnvtg.interrupts import answered
from snnvtg.neurons.backends import LIF_OPERATION
from snnvtg.neurons.conformance import conform


def main(
    backend: Annotated[str, tyro.conf.Positional],
    device: str = "cpu",
    part: Literal["all", "values", "programs"] = "all",
    verbose: bool = False,
) -> int:
    """Hold a LIF backend against the reference.

    Args:
        backend: name of a backend, or module:OBJECT or FILE.py:OBJECT for one of your own
        device: cpu or cuda
        part: values and gradients, what other people's programs do to a backend (a minute), or both
        verbose: list passed checks too
    """
    subject = LIF_OPERATION.named(backend)
    missing = subject.missing(device)
    if missing:
        raise InputError(f"backend {subject.name!r} cannot run on {device}: {'; '.join(missing)}. {subject.remedy}")
    counts, refusals = Counter(), {}
    for result in conform(subject, device, backend, part):
        counts[result.outcome] += 1
        if result.outcome == "refused":
            for reason in result.detail.split("; "):
                refusals.setdefault(reason, []).append(f"{result.check} · {result.case}")
        elif result.outcome == "failed" or verbose:
            print(f"{result.outcome:8} {result.check} · {result.case}: {result.detail}".rstrip(": "))
    for reason, refused in refusals.items():
        print(f"refused  {reason} ({len(refused)} times, first: {refused[0]})")
    band = f"band {subject.band} ulp a step" if subject.band else "bit for bit"
    print(f"{subject.name} on {device} ({band}): " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    with answered(lambda: "it writes no file; run it again"):
        try:
            sys.exit(tyro.cli(main))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
