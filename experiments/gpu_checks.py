"""Everything that only a GPU can show, in one go: tests, conformance, benchmarks, a training run in mixed precision.

    python experiments/gpu_checks.py                # all of it, the most important first, in ten minutes at most
    python experiments/gpu_checks.py --only tests lif

Writes reports/gpu_checks.json and .md (each check's command, exit status, seconds and last lines, with provenance),
after every check, and the benchmarks' own reports/*_gpu.csv after every row. A check that fails or takes too long does
not stop the next; one there is no time left for is listed with exit 125. Exit status 1 where a check did not succeed.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from snnvtg.command import run
from snnvtg.errors import InputError
from snnvtg.reporting import provenance, write_json, write_text

# in order of importance: command, and the most seconds it may take of those that are left
CHECKS = {
    "doctor": ("-m snnvtg.doctor", 60),
    # the project's own options ask for a plugin that a machine lent for ten minutes may lack
    "tests": ("-m pytest -o addopts=--import-mode=importlib -m gpu -q --maxfail=20 tests", 120),
    "scan": ("experiments/benchmarks/scan.py --device cuda --fresh --budget 0.3", 100),
    "step": (
        "experiments/benchmarks/train_step.py --device cuda --batch-sizes 64 256 --precisions float32 bf16"
        " --budget 1.5",
        150,
    ),
    "lif": ("experiments/benchmarks/lif.py --device cuda", 60),
    "conformance": ("-m snnvtg.neurons.conformance fused --device cuda", 40),
    "training": (
        "experiments/train.py --device cuda --preset demo --set training.precision=bf16 --out runs/gpu_checks",
        60,
    ),
    # the estimate beside what the meter of the device says (extra `measure`)
    "energy": ("experiments/energy_report.py --device cuda --measure --queries 50 --out runs/gpu_energy", 60),
}
NO_TIME, TIMED_OUT = 125, 124
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    """Run the checks that need a GPU."""

    only: tuple[str, ...] = tuple(CHECKS)
    """which checks"""
    seconds: float = 570.0
    """all checks together"""
    out: Path = Path("reports/gpu_checks.json")


def main(options: Options) -> None:
    """Run each check in a process of its own and write what came out."""
    unknown = set(options.only) - set(CHECKS)
    if unknown:
        raise InputError(f"--only: no check {', '.join(sorted(unknown))}; known: {', '.join(CHECKS)}")
    if not torch.cuda.is_available():
        raise InputError("no CUDA device: these checks need one; see python -m snnvtg.doctor")
    results, end = [], time.monotonic() + options.seconds
    for name in options.only:
        command, most = CHECKS[name]
        result = {"check": name, **checked(shlex.split(command), min(most, end - time.monotonic()))}
        results.append(result)
        write_json(provenance(checks=results), options.out)
        write_text(summary(results), options.out.with_suffix(".md"))
        print(f"{name:12} exit {result['exit']:4} {result['seconds']:7.1f} s", flush=True)
    if any(result["exit"] for result in results):
        raise SystemExit(1)


def checked(arguments: list[str], seconds: float) -> dict:
    """Run one check for at most `seconds`, with everything it starts."""
    command, started = shlex.join(["python", *arguments]), time.monotonic()
    if seconds < 5:
        return {"command": command, "exit": NO_TIME, "seconds": 0.0, "said": ["no time was left"]}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        said, status = process.communicate(timeout=seconds)[0], process.returncode
    except subprocess.TimeoutExpired:
        # its children too: one that lives on would hold the device, and the pipe open
        os.killpg(process.pid, signal.SIGKILL)
        said, status = process.communicate()[0], TIMED_OUT
    took = round(time.monotonic() - started, 1)
    return {"command": command, "exit": status, "seconds": took, "said": said.strip().splitlines()[-40:]}


def summary(results: list[dict]) -> str:
    """The checks as a Markdown table, their last lines beneath."""
    device = torch.cuda.get_device_name()
    lines = [f"# GPU checks on {device}", "", "| check | command | exit | seconds |", "|---|---|---|---|"]
    lines += [f"| {r['check']} | `{r['command']}` | {r['exit']} | {r['seconds']} |" for r in results]
    for result in results:
        lines += ["", f"## {result['check']}", "", "```", *result["said"], "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(Options, main, __doc__)
