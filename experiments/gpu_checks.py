"""Everything that only a GPU can show, in one go: tests, conformance, benchmarks, a training run in mixed precision.

    python experiments/gpu_checks.py                # all of it, planned for ten minutes
    python experiments/gpu_checks.py --only tests lif

Writes reports/gpu_checks.json and .md (each check's command, exit status, seconds and last lines, with provenance),
after every check, and the benchmarks' own reports/*_gpu.csv. A check that fails does not stop the next.
"""

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from snnvtg.command import run
from snnvtg.errors import InputError
from snnvtg.reporting import provenance, write_json, write_text

CHECKS = {
    "doctor": "-m snnvtg.doctor",
    "tests": "-m pytest -m gpu -q tests",
    "conformance": "-m snnvtg.neurons.conformance fused --device cuda",
    "lif": "experiments/benchmark_lif.py --device cuda",
    "scan": "experiments/benchmark_scan.py --device cuda --fresh",
    "step": "experiments/benchmark_train_step.py --device cuda --batch-sizes 64 256",
    "training": "experiments/train.py --device cuda --preset demo --set training.precision=bf16 --out runs/gpu_checks",
}
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    """Run the checks that need a GPU."""

    only: tuple[str, ...] = tuple(CHECKS)
    """which checks"""
    seconds: float = 150.0
    """most a single check may take"""
    out: Path = Path("reports/gpu_checks.json")


def main(options: Options) -> None:
    """Run each check in a process of its own and write what came out."""
    unknown = set(options.only) - set(CHECKS)
    if unknown:
        raise InputError(f"--only: no check {', '.join(sorted(unknown))}; known: {', '.join(CHECKS)}")
    if not torch.cuda.is_available():
        raise InputError("no CUDA device: these checks need one; see python -m snnvtg.doctor")
    results = []
    for name in options.only:
        result = {"check": name, **checked(shlex.split(CHECKS[name]), options.seconds)}
        results.append(result)
        write_json(provenance(checks=results), options.out)
        write_text(summary(results), options.out.with_suffix(".md"))
        print(f"{name:12} exit {result['exit']:4} {result['seconds']:7.1f} s")
    if any(result["exit"] for result in results):
        raise SystemExit(1)


def checked(arguments: list[str], seconds: float) -> dict:
    """Run one check; exit 124 is a timeout."""
    started = time.monotonic()
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
        status, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as stopped:
        status, said = 124, "".join(part.decode() for part in (stopped.stdout, stopped.stderr) if part)
    lines = said.strip().splitlines()[-40:]
    took = round(time.monotonic() - started, 1)
    return {"command": shlex.join(["python", *arguments]), "exit": status, "seconds": took, "said": lines}


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
