"""What the commands that moved say at their old place: one line with the new one."""

import shlex
import sys
from pathlib import Path

NEW = {
    **{
        f"benchmark_{name}": f"benchmarks/{name}"
        for name in ("evaluator", "features", "instrumentation", "lif", "long_video", "scan", "train_step")
    },
    **{name: f"tools/{name}" for name in ("check_data", "convert_r2", "download", "extract_features", "pack_features")},
}


def stop(file: str) -> None:
    """End with status 2 and the command line that replaces this one."""
    old = Path(file).stem
    command = shlex.join(["python", f"experiments/{NEW[old]}.py", *sys.argv[1:]])
    print(f"error: experiments/{old}.py has moved; run: {command}", file=sys.stderr)
    raise SystemExit(2)
