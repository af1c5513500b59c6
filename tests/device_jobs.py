"""Many small checks on one device, spread over processes: compiling their kernels is what takes the time."""

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

Job = tuple[str, Any]
Outcome = tuple[str, str, str]  # name; passed, refused or failed; why


def run(check: Callable[[Any], None], jobs: Sequence[Job], prepare: Callable[[], None], workers: int = 0) -> int:
    """`check` of every job in processes that `prepare` made ready; prints what failed, and returns the exit status.

    A check passes when it returns and is refused when it raises BackendError.
    """
    began, context = time.monotonic(), multiprocessing.get_context("spawn")
    workers = min(workers or os.cpu_count() or 1, 16, len(jobs))
    counts: Counter[str] = Counter()
    with context.Pool(workers, _start, (prepare,)) as pool:
        for name, outcome, why in pool.imap_unordered(_Guarded(check), jobs):
            counts[outcome] += 1
            if outcome == "failed":
                print(f"failed  {name}: {why}", flush=True)
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    print(f"{len(jobs)} checks: {outcomes}; {time.monotonic() - began:.0f} s in {workers} processes", flush=True)
    return int(bool(counts["failed"]) or not counts["passed"])


def _start(prepare: Callable[[], None]) -> None:
    import torch

    torch.set_num_threads(1)
    prepare()


class _Guarded:
    def __init__(self, check: Callable[[Any], None]):
        self.check = check

    def __call__(self, job: Job) -> Outcome:
        from snnvtg.errors import BackendError

        name, argument = job
        try:
            self.check(argument)
        except BackendError as refusal:
            return name, "refused", "; ".join(refusal.reasons)
        except Exception as error:  # one kernel that breaks is a finding; the others still say something
            return name, "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return name, "passed", ""


def interpret() -> None:
    """Start this program again with Triton's interpreter, which has to be asked for before torch imports triton."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        os.environ["TRITON_INTERPRET"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
