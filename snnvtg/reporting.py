"""Files written atomically, tables with the provenance that lets a reader make them again."""

import dataclasses
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from snnvtg.files import atomic

PACKAGES = (
    *("torch", "numpy", "pandas", "snntorch", "spikingjelly", "mamba-ssm", "causal-conv1d", "triton", "fvcore"),
    *("numba", "mambapy", "transformers"),
)
PROJECT = Path(__file__).resolve().parent.parent


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write `table` as CSV, atomically."""
    with atomic(path) as scratch:
        table.to_csv(scratch, index=False)


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write `content` as indented JSON, atomically; dataclasses become dictionaries, paths text."""
    with atomic(path) as scratch:
        scratch.write_text(json.dumps(content, indent=2, default=_plain) + "\n")


def write_text(content: str, path: Path) -> None:
    """Write `content`, atomically."""
    with atomic(path) as scratch:
        scratch.write_text(content, encoding="utf-8")


def save_figure(figure, path: Path) -> None:
    """Save a matplotlib figure, atomically; the format follows the suffix of `path`."""
    with atomic(path) as scratch:
        figure.savefig(scratch, dpi=200, bbox_inches="tight")


def save_both(figure, path: Path) -> None:
    """Save a figure as PNG at `path` and as SVG beside it, the same bytes for the same figure."""
    save_figure(figure, path)
    from matplotlib import rc_context

    plain = rc_context({"svg.fonttype": "none", "svg.hashsalt": "snnvtg"})
    with plain, atomic(path.with_suffix(".svg")) as scratch:
        figure.savefig(scratch, bbox_inches="tight", metadata={"Date": None})


def provenance(**details: Any) -> dict[str, Any]:
    """Command, commit, versions and device of this run, joined with `details` (config, data checksum, wall time)."""
    return {
        "command": _command(),
        "commit": commit(),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "device": device_description(),
        "threads": torch.get_num_threads(),
        **details,
    }


def commit() -> str:
    """The commit of the code that ran, marked `+changes` where the package or its experiments differ from it.

    Only of a checkout of this project: an installed package may lie in a folder of another project's repository.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != PROJECT:
            return "unknown (not a git checkout)"
        _git("ls-files", "--error-unmatch", "pyproject.toml", "snnvtg/reporting.py")
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "snnvtg", "experiments")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
    return f"{head}+changes" if changed else head


def device_description() -> str:
    """Processor, thread count and GPU, in words."""
    words = f"{_processor_name()}, {os.cpu_count()} cores"
    if torch.cuda.is_available():
        words += f"; {torch.cuda.get_device_name()}"
    return words


def _command() -> str:
    if sys.argv[0].startswith("snnvtg "):  # as `python -m snnvtg` and the console script say it
        started = sys.argv[0].split()
    else:
        script = Path(sys.argv[0])
        known = script.resolve().is_relative_to(PROJECT) if script.name else False
        started = ["python", str(script.resolve().relative_to(PROJECT) if known else script.name)]
    # paths of a machine are private: the data folder is named, not located
    arguments = [Path(a).name if Path(a).is_absolute() or a.startswith("..") else a for a in sys.argv[1:]]
    return shlex.join([*started, *arguments])


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"{type(value).__name__} has no JSON form")
