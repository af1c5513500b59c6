"""Hours of damage: every reader and every command's options, at random, until the time is over.

    OMP_NUM_THREADS=1 python tests/fuzz/by_hand.py --minutes 60            # prints its seed and how many were tried
    OMP_NUM_THREADS=1 python tests/fuzz/by_hand.py --target checkpoint --only 1234567   # one case again

A failure is printed with its target and its case, once for each place in the code; the exit status is 1 then.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.options import COMMAND_OPTIONS, try_options
from tests.fuzz.targets import TARGETS, prepared

GIGABYTES = 8


def main() -> int:
    """Try, count, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--target", default=None, help="one reader, or one command as options:train")
    parser.add_argument("--only", type=int, default=None, help="one case of --target")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES * 2**30, GIGABYTES * 2**30))  # asking for more is a failure
    warnings.simplefilter("ignore")
    seed = time.time_ns() % 2**32 if given.seed is None else given.seed
    with tempfile.TemporaryDirectory() as folder:
        tries = cases(Path(folder), given.target)
        if given.only is not None:
            tries[given.target](given.only)
            return 0
        return run(tries, seed, time.time() + 60 * given.minutes)


def cases(folder: Path, only: str | None) -> dict[str, Callable[[int], bool]]:
    """By name, what tries one case and says whether there was a result."""
    tries: dict[str, Callable[[int], bool]] = {}
    for number, name in enumerate(TARGETS):
        if only in (None, name):
            (place := folder / str(number)).mkdir()
            target, path, good = prepared(name, place)
            tries[name] = lambda case, target=target, path=path, good=good: target.try_one(path, good, case)
    for name in COMMAND_OPTIONS:
        if only in (None, f"options:{name}"):
            tries[f"options:{name}"] = lambda case, name=name: try_options(name, case)
    return tries


def run(tries: dict[str, Callable[[int], bool]], seed: int, until: float) -> int:
    """Cases in turn; the exit status."""
    draw, tried, read, failed = random.Random(seed), Counter(), Counter(), {}
    while time.time() < until:
        for name, attempt in tries.items():
            case = draw.randrange(2**32)
            tried[name] += 1
            try:
                read[name] += attempt(case)
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                failed.setdefault((name, type(error).__name__, last.filename, last.lineno), (case, str(error)))
    for (name, kind, file, line), (case, said) in failed.items():
        print(f"FAILED {name}, case {case}: {kind} at {file}:{line}: {' '.join(said.split())[:200]}")
    print(
        f"seed {seed}: {sum(tried.values()):,} cases of {len(tries)} targets, {sum(read.values()):,} gave a result, ",
        end="",
    )
    print(f"{len(failed)} kinds of failure")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
