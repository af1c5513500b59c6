"""Trained models on disk, found again by everything that shaped them."""

import dataclasses
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from snnvtg.data import DataSplits
from snnvtg.reporting import PROJECT
from snnvtg.training import Checkpoint, TrainingConfig, load_checkpoint, train

SHAPING = (
    *("leaf_ops.py", "spans.py", "records.py", "neurons/**/*", "scan/**/*", "layers/*", "models/*", "training/*"),
    *(
        "data/dataset.py",
        "data/features.py",
        "data/targets.py",
        "data/text.py",
        "data/synthetic*.py",
        "metrics/*",
        "studies/cross_validation.py",
    ),
)


MEASURING = ("energy/**/*", "instrumentation/*", "metrics/*", "studies/measure.py", "studies/linear.py")


@lru_cache
def code_digest(patterns: tuple[str, ...] = SHAPING) -> str:
    """Digest of the source that decides what a trained model is: changed code never reuses an older model.

    With `MEASURING`, of the source that decides what its accuracy and cost are found to be.
    """
    package = PROJECT / "snnvtg"
    files = [file for pattern in patterns for file in sorted(package.glob(pattern))]
    digest = hashlib.sha256()
    for file in files:
        if file.suffix in {".py", ".cpp", ".hpp", ".cu", ".json"}:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def run_folder(
    root: Path, model_name: str, model_config: Any, training: TrainingConfig, data: DataSplits, seed: int
) -> Path:
    """The folder of one training run under `root`, named by model, seed and a digest of all else."""
    recipe = [dataclasses.asdict(model_config), dataclasses.asdict(training), data.checksum, code_digest()]
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return root / f"{model_name}-{data.name.replace(' ', '_')}-seed{seed}-{digest}"


def trained(
    root: Path,
    model_name: str,
    model_config: Any,
    training: TrainingConfig,
    data: DataSplits,
    *,
    seed: int,
    device: str = "cpu",
    quiet: bool = True,
) -> Checkpoint:
    """The checkpoint of this run: from disk where it is finished, else trained, from where it was left."""
    folder = run_folder(root, model_name, model_config, training, data, seed)
    finished = folder / "finished.pt"
    if finished.is_file():
        return load_checkpoint(finished)
    checkpoint = train(model_name, model_config, training, data, seed=seed, folder=folder, device=device, quiet=quiet)
    checkpoint.save(finished)
    for leftover in ("last.pt", "best.pt"):
        (folder / leftover).unlink(missing_ok=True)
    return checkpoint
