"""How soon a command answers where there is nothing to compute: `--help`, an option that is wrong, a missing file.

    python experiments/benchmarks/first_minute.py
    python experiments/benchmarks/first_minute.py --before CHECKOUT      # beside an earlier version of the toolkit

Every case is a process of its own, in an empty folder. Writes the median of the processor time (user and system) of
--repeats processes, which other work on the machine disturbs little, and of the wall time, which it does.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from measuring import Company
from option_checks import check_counts
from quiet import run
from snnvtg.errors import InputError
from snnvtg.files import check_writable
from snnvtg.reporting import provenance, write_csv, write_json

ROOT = Path(__file__).parents[2]
SCORED = "--annotations nowhere.jsonl"
MISSING = {
    "train": "--data nowhere",
    "timestep_sweep": "--data nowhere",
    "ablation": "--data nowhere",
    "predict": "--checkpoint nowhere.pt",
    "ground": "--checkpoint nowhere.pt --features nowhere.npz --text nowhere.txt --query words",
    "energy_report": "--checkpoint nowhere.pt",
    "evaluate": f"--submission nowhere.jsonl {SCORED}",
    "compare": f"--first nowhere.jsonl --second nowhere.jsonl {SCORED}",
}
"""the commands that both versions have, and arguments that name a file that is not there"""


@dataclass(frozen=True)
class Options:
    """Time how soon commands answer."""

    before: Path | None = None
    """a checkout of an earlier version, timed in turn with this one"""
    repeats: int = 5
    out: Path = Path("reports/benchmark_first_minute.csv")


def main(options: Options) -> None:
    """Time, write, print."""
    check_counts(repeats=options.repeats)
    check_writable(options.out)
    versions = {"now": ROOT} | ({"before": options.before.resolve()} if options.before else {})
    for root in versions.values():
        if not (root / "experiments/train.py").is_file():
            raise InputError(f"--before {root}: no checkout of this toolkit (no experiments/train.py)")
    company = Company()
    rows = [
        {"command": command, "case": case, **timed(command, arguments, versions, options.repeats)}
        for command, missing in MISSING.items()
        for case, arguments in (("--help", "--help"), ("wrong option", "--nonsense"), ("missing file", missing))
    ]
    table = pd.DataFrame(rows)
    write_csv(table, options.out)
    details = {"config": options, "share_of_others": round(company.share(), 3)}
    write_json(provenance(**details), options.out.with_suffix(".json"))
    print(table.to_string(index=False, float_format="{:.2f}".format))
    print(f"wrote {options.out}")


def timed(command: str, arguments: str, versions: dict[str, Path], repeats: int) -> dict[str, float]:
    """Median seconds of processor and wall time of each version, measured in turn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in versions}
    for _ in range(repeats):
        for name, root in versions.items():
            found[name].append(once(root, command, arguments.split()))
    return {
        f"{kind}_{name}": statistics.median(pair[place] for pair in pairs)
        for name, pairs in found.items()
        for place, kind in enumerate(("processor_s", "wall_s"))
    }


def once(root: Path, command: str, arguments: list[str]) -> tuple[float, float]:
    """Processor and wall seconds of one process; it has to end with 0 or 2."""
    line = [sys.executable, str(root / f"experiments/{command}.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(line, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 2):
        raise InputError(f"{' '.join(line)}: ended with status {process.returncode} ({said[-200:]!r})")
    return used.ru_utime + used.ru_stime, wall


if __name__ == "__main__":
    run(Options, main, __doc__)
