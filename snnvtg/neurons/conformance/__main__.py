"""`python -m snnvtg.neurons.conformance BACKEND`: exit status 0 if nothing failed, 1 if something did."""

import importlib
import sys
from collections import Counter
from typing import Annotated

import tyro

from snnvtg.errors import InputError
from snnvtg.neurons.backends import named
from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.conformance import conform


def find(name: str) -> Backend:
    """A backend of this package by name, or anybody's as `package.module:ATTRIBUTE`."""
    module, colon, attribute = name.partition(":")
    if not colon:
        return named(name)
    try:
        backend = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"backend {name!r}: {error}; expected package.module:ATTRIBUTE") from error
    if not isinstance(backend, Backend):
        raise InputError(f"backend {name!r}: expected a snnvtg.neurons.backends.base.Backend, got {backend!r}")
    return backend


def main(backend: Annotated[str, tyro.conf.Positional], device: str = "cpu", verbose: bool = False) -> int:
    """Hold a LIF backend against the law.

    Args:
        backend: name of a backend, or package.module:ATTRIBUTE for one of your own
        device: cpu or cuda
        verbose: list passed checks too
    """
    subject = find(backend)
    missing = subject.missing(device)
    if missing:
        raise InputError(f"backend {subject.name!r} cannot run on {device}: {'; '.join(missing)}. {subject.remedy}")
    counts, refusals = Counter(), {}
    for result in conform(subject, device):
        counts[result.outcome] += 1
        if result.outcome == "refused":
            refusals[result.case] = result.detail
        elif result.outcome == "failed" or verbose:
            print(f"{result.outcome:8} {result.check} · {result.case}: {result.detail}".rstrip(": "))
    for case, reasons in refusals.items():
        print(f"refused  {case}: {reasons}")
    band = f"band {subject.band} ulp a step" if subject.band else "bit for bit"
    print(f"{subject.name} on {device} ({band}): " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    try:
        sys.exit(tyro.cli(main))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
