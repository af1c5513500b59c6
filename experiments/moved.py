"""What the commands that moved say at their old place: one line with the new one."""

import shlex
import sys
from pathlib import Path

NEW = {
    "benchmark_lif": "benchmarks/lif.py",
    "check_data": "tools/check_data.py",
    "cross_validate": "tools/cross_validate.py",
    "distractors": "ablation.py --sweeps distractors",
    "download": "tools/download.py",
    "extract_features": "tools/extract_features.py",
}


def stop(file: str) -> None:
    """End with status 2 and the command line that replaces this one."""
    old = Path(file).stem
    command = f"python experiments/{NEW[old]} {shlex.join(sys.argv[1:])}".strip()
    print(f"error: experiments/{old}.py has moved; run: {command}", file=sys.stderr)
    raise SystemExit(2)
