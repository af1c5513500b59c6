"""What one model is given on a cluster, from a small YAML file.

partition: gpu          # all keys are optional
account: vision
gpus: 1                 # per model: 0 or 1
cpus: 4
memory_gb: 16
minutes: 120            # then it is requeued, and resumes from its last epoch
parallel: 40            # models at once
requeues: 20            # time-outs after which a model has failed
setup: [module load cuda]
sbatch: {constraint: a100, qos: night}
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from snnvtg.errors import InputError

MOST = 10_000_000
NUMBERS = {"gpus": (0, 1), "cpus": (1, 1024), "minutes": (1, MOST), "parallel": (1, MOST), "requeues": (0, MOST)}
"""whole numbers, with the least and the most of each"""


@dataclass(frozen=True)
class ClusterConfig:
    """Partition, account and what each model may use; what is not given, the cluster decides."""

    partition: str | None = None
    account: str | None = None
    gpus: int = 0
    cpus: int = 1
    memory_gb: float | None = None
    minutes: int = 60
    warning_seconds: int = 90
    """before the end a model is told to stop, and is requeued"""
    parallel: int = 256
    requeues: int = 20
    setup: tuple[str, ...] = ()
    """lines of the shell before each model"""
    sbatch: dict[str, str] = field(default_factory=dict)
    """other options of sbatch, by their long names"""


def read_cluster(path: Path) -> ClusterConfig:
    """The configuration in a YAML file; InputError names file and key."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split()):.200})") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values, as `partition: gpu`")
    known = [each.name for each in fields(ClusterConfig)]
    for key in content:
        if key not in known:
            raise InputError(f"{path}: no such key {key!r}; known: {', '.join(known)}")
    return ClusterConfig(**{key: _checked(path, key, value) for key, value in content.items() if value is not None})


def _checked(path: Path, key: str, value: Any) -> Any:
    """The value as its key wants it."""
    if key in ("partition", "account"):
        return _expected(path, key, value, isinstance(value, str) and value.strip() == value != "", "a name")
    if key == "memory_gb":
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MOST
        return _expected(path, key, value, fits, "gigabytes, more than 0")
    if key == "setup":
        fits = isinstance(value, list) and all(isinstance(line, str) for line in value)
        return tuple(_expected(path, key, value, fits, "a list of lines"))
    if key == "sbatch":
        fits = isinstance(value, dict) and all(isinstance(v, str | int | float) for v in value.values())
        options = _expected(path, key, value, fits, "options of sbatch, as {constraint: a100}")
        return {str(name): v if isinstance(v, bool) else str(v) for name, v in options.items()}
    least, most = NUMBERS.get(key, (1, 3600))
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return _expected(path, key, value, fits, f"a whole number from {least} to {most}")


def _expected(path: Path, key: str, value: Any, fits: bool, words: str) -> Any:
    if not fits:
        raise InputError(f"{path}: {key}: expected {words}, got {value!r}")
    return value
