"""The scan and the convolution as trials of snnvtg.operator_checks: what other people's programs do to a backend.

    python -m snnvtg.scan.conformance BACKEND

holds a backend of both (a name, or yours as in plugins.py) against the reference; exit status 1 if something failed.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from snnvtg.errors import InputError
from snnvtg.interrupts import answered
from snnvtg.operator_checks import Result, Trial, check
from snnvtg.scan.convolution import CAUSAL_CONV1D, causal_conv1d
from snnvtg.scan.inputs import ScanInputs
from snnvtg.scan.selective import SELECTIVE_SCAN, bidirectional_selective_scan, selective_scan

# no size that grows may equal one of these by chance: torch.compile would take it for the same
STATES, WIDTH, LARGE = 9, 11, 30


def _packing(x: Tensor) -> dict[str, Tensor]:
    """Sequences of five steps, and every seventh step padding."""
    step = torch.arange(x.shape[1], device=x.device)
    rows = x.shape[:2]
    return {"seq_idx": (step // 5).expand(rows), "valid_mask": (step % 7 != 3).expand(rows)}


def _scan_plain(backend: str, u, delta, A, B, C) -> tuple[Tensor, ...]:
    return (selective_scan(u, delta, A, B, C, backend=backend),)


def _scan_packed(backend: str, u, delta, A, B, C, D, z, bias, state) -> tuple[Tensor, ...]:
    options = {"initial_state": state, "return_state": True, **_packing(u)}
    return selective_scan(u, delta, A, B, C, D, z, bias, reverse=True, backend=backend, **options)


def _scan_grouped(backend: str, u, delta, A, B, C) -> tuple[Tensor, ...]:
    return selective_scan(u, delta, A, B, C, return_state=True, backend=backend)


def _scan_twice(backend: str, u, delta, A, B, C, D, z) -> tuple[Tensor, ...]:
    forward, backward = ScanInputs(u, delta, A, B, C, D), ScanInputs(u, delta, A, C, B)
    return (bidirectional_selective_scan(forward, backward, z=z, backend=backend),)


def _convolution_plain(backend: str, x, weight, bias) -> tuple[Tensor, ...]:
    return (causal_conv1d(x, weight, bias, backend=backend),)


def _convolution_packed(backend: str, x, weight, bias, state) -> tuple[Tensor, ...]:
    options = {"initial_state": state, "return_state": True, **_packing(x)}
    return causal_conv1d(x, weight, bias, activation=None, reverse=True, backend=backend, **options)


RUNS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "scan": _scan_plain,
    "scan, all options, packed": _scan_packed,
    "scan, grouped": _scan_grouped,
    "scan in both directions": _scan_twice,
    "convolution": _convolution_plain,
    "convolution, all options, packed": _convolution_packed,
}


@dataclass(frozen=True)
class Run:
    """One kind of call as a function of tensors; picklable, for processes."""

    kind: str
    backend: str

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return RUNS[self.kind](self.backend, *tensors)


@dataclass(frozen=True)
class Inputs:
    """Inputs of `Run`: batch, length and channels grow with the size."""

    kind: str
    device: str = "cpu"

    def __call__(self, size: int, seed: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        batch, length, channels = size, 6 * size + 1, 4 * size

        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        x = randn(batch, length, channels)
        if self.kind.startswith("convolution"):
            made = [x, randn(channels, WIDTH), randn(channels)]
            made += [randn(batch, WIDTH - 1, channels)] if "packed" in self.kind else []
        else:
            rows = (batch, length, 2, STATES) if "grouped" in self.kind else (batch, length, STATES)
            rates = torch.rand(channels, STATES, generator=generator)
            made = [x, randn(*x.shape), -0.1 - rates, randn(*rows), randn(*rows)]
            made += [randn(channels), randn(*x.shape)] if "packed" in self.kind or "both" in self.kind else []
            made += [randn(channels), randn(batch, channels, STATES)] if "packed" in self.kind else []
        return tuple(t.to(self.device) for t in made)


def trials(backend: str, device: str = "cpu", kinds: str = "") -> list[Trial]:
    """Every kind of call whose name begins with `kinds` ("scan", "convolution"), run by `backend`."""
    return [
        Trial(
            name=kind,
            run=Run(kind, backend),
            reference=Run(kind, "reference"),
            inputs=Inputs(kind, device),
            large=LARGE,
            tolerance=2e-5,
        )
        for kind in RUNS
        if kind.startswith(kinds)
    ]


def conform(backend: str, device: str = "cpu") -> Iterator[Result]:
    """Every check on every kind of call that has a backend of this name."""
    for kinds, operation in (("scan", SELECTIVE_SCAN), ("convolution", CAUSAL_CONV1D)):
        if backend not in operation.backends and ":" not in backend:
            continue
        reasons = operation.why_not(backend, device)
        if reasons:
            yield Result("available", kinds, "refused", "; ".join(reasons))
            continue
        for one in trials(backend, device, kinds):
            yield from check(one)


def main(backend: str, device: str = "cpu") -> int:
    """Print what did not pass; the exit status."""
    counts = Counter()
    for result in conform(backend, device):
        counts[result.outcome] += 1
        if result.outcome != "passed":
            print(f"{result.outcome:8} {result.check} · {result.case}: {result.detail}")
    if not counts:
        SELECTIVE_SCAN.named(backend)
    print(f"{backend} on {device}: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    with answered(lambda: "it writes no file; run it again"):
        try:
            sys.exit(main(*sys.argv[1:]))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
