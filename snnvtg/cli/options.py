"""Command-line options that several commands share; they mean the same in every one.

This module and the head of every command import nothing heavy (torch, pandas, matplotlib): an option or a file that is
wrong is answered at once. What does the work is imported where it starts.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import tyro

from snnvtg.cli.command import CommandOptions
from snnvtg.data.source import DataSource
from snnvtg.data.synthetic_config import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.models import DEFAULT_MODEL, model_class
from snnvtg.sweeps.trial import Inference, Split

if TYPE_CHECKING:
    from snnvtg.models import GroundingModel
    from snnvtg.sweeps.trial import Trial
    from snnvtg.training import Checkpoint


@dataclass(frozen=True)
class DataOptions(DataSource, CommandOptions):
    """Which data: the embedded synthetic set, a folder (--data), or a benchmark (--dataset, --features)."""

    reads: ClassVar[dict[str, str]] = {
        "data": "no such folder; expected train.jsonl, val.jsonl, test.jsonl and features/ in it",
        "features": "no such folder; expected the features of --dataset in it",
        "annotations": "no such folder; expected the jsonl files of --dataset in it",
        "packed": "no such folder; make it with experiments/tools/pack_features.py",
    }
    """options that name a file or folder, and what is said where it is not there"""

    # settings of sweeps, changed by --set data.fold=0 and the like
    fold: tyro.conf.Suppress[int | None] = None
    folds: tyro.conf.Suppress[int] = 4
    fold_over: tyro.conf.Suppress[Literal["train", "all"]] = "train"
    synthetic: tyro.conf.Suppress[SyntheticConfig] = field(default_factory=SyntheticConfig)

    def __post_init__(self):
        """Nothing is checked while the command line is parsed: `source` refuses what does not fit in one line."""

    def check(self) -> None:
        """As CommandOptions: options that exclude one another."""
        super().check()
        _ = self.source

    @property
    def source(self) -> DataSource:
        """The data these options name."""
        return DataSource(**{name: getattr(self, name) for name in DataSource.__dataclass_fields__})


def preset_for(source: DataSource, preset: str) -> str:
    """`preset`, where `default` is `demo` on the synthetic set and `small` on other data."""
    default = "demo" if source.is_synthetic else "small"
    return default if preset == "default" else preset


@dataclass(frozen=True)
class ModelOptions(CommandOptions):
    """Which model, and how it is trained."""

    model: str = DEFAULT_MODEL
    """a model of the toolkit, or yours: my_package.my_model:MyModel, my_model.py:MyModel"""
    preset: Literal["default", "demo", "small", "paper"] = "default"
    """default: demo on the synthetic set, small on other data"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """change a setting of model, training, data or inference, as --set training.epochs=10 --set model.lif.beta=0.7"""

    def trial(self, source: DataSource, inference: Inference, extra: tuple[str, ...] = ()) -> "Trial":
        """The preset on `source` with its benchmark's settings, then `extra`, then those of --set."""
        from snnvtg.sweeps.settings import trial_of

        preset = preset_for(source, self.preset)
        return trial_of(preset, [*extra, *self.set], model=self.model, data=source, inference=inference)


def check_loaders(count: int) -> None:
    """InputError for fewer processes that make batches than none."""
    if count < 0:
        raise InputError(f"loaders is {count}; expected at least 0")


@dataclass(frozen=True)
class PoolOptions(CommandOptions):
    """Where models are trained and kept."""

    reads: ClassVar[dict[str, str]] = {"cluster": "no such file; expected partition, gpus, minutes and the like in it"}

    runs: Path = Path("runs")
    """where trained models are kept"""
    device: str = "cpu"
    workers: int = os.cpu_count() or 1
    """models trained at once on this machine, each in one thread"""
    loaders: int = 0
    """processes for each of them that make batches ahead of time, as those of train"""
    executor: Literal["local", "slurm", "workers", "submitit"] = "local"
    """local: processes here. slurm: jobs of a cluster; the command submits them and returns, and says how far they are
    when it is run again. workers: run it on every machine that shares the folders. submitit: slurm's jobs, but here"""
    cluster: Path | None = None
    """of slurm: a YAML file with partition, account, gpus, cpus, memory_gb, minutes, parallel and the like"""
    wait: bool = False
    """of slurm: until no job is left in the queue"""
    lease: float = 60.0
    """of all but local: seconds after which a process that has not been heard of is taken for dead"""

    def check(self) -> None:
        """As CommandOptions: fewer than one worker, options of another executor."""
        super().check()
        if self.workers < 1:
            raise InputError(f"workers: expected at least 1, got {self.workers}")
        check_loaders(self.loaders)
        if self.executor != "slurm" and (self.wait or self.cluster):
            option = "--cluster" if self.cluster else "--wait"
            raise InputError(f"{option} is for --executor slurm; the executor is {self.executor}")
        if not 1 <= self.lease <= 86400:
            raise InputError(f"--lease: expected seconds from 1 to 86400, got {self.lease:g}")

    def kept(self) -> str:
        """As CommandOptions: tables grow row by row, models epoch by epoch."""
        return f"finished rows are in their tables, finished epochs in {self.runs}; the same command resumes"

    def pool(self) -> dict[str, Any]:
        """Where models are kept, on what and by whom they are run, as keyword arguments.

        InputError for a device that cannot be used, or a cluster's file that cannot be.
        """
        from snnvtg.sweeps.checks import check_device
        from snnvtg.sweeps.executors import executor_of

        chosen = {"workers": self.workers, "cluster": self.cluster, "wait": self.wait, "lease": self.lease}
        executor = executor_of(self.executor, **chosen)
        if not executor.runs_elsewhere:
            check_device(self.device)
        return {"runs": self.runs, "device": self.device, "executor": executor, "loaders": self.loaders}


@dataclass(frozen=True)
class SweepOptions(DataOptions, ModelOptions, PoolOptions):
    """What every sweep takes."""

    backend: str = "auto"
    """LIF backend of the measurement: auto, fused, torch, reference, snntorch, spikingjelly, or yours"""
    split: Split = "test"
    """where models are measured"""

    def base(self, extra: tuple[str, ...] = ()) -> "Trial":
        """The trial all rows of a sweep change something of."""
        return self.trial(self.source, Inference(backend=self.backend, split=self.split), extra)


@dataclass(frozen=True)
class CheckpointOptions(CommandOptions):
    """A trained model: a checkpoint, or a row of a sweep's table."""

    reads: ClassVar[dict[str, str]] = {"checkpoint": "no such checkpoint; train one with experiments/train.py"}

    checkpoint: Path = Path("runs/train/best.pt")
    """a checkpoint of experiments/train.py, or a sweep's table (NAME.csv) with --row"""
    row: str | None = None
    """of a sweep's table: the row whose model is meant"""
    seed: int | None = None
    """of a sweep's table: the model's seed; none: the first there is"""
    runs: Path = Path("runs")
    """of a sweep's table: where its trained models are kept"""
    model: str | None = None
    """the class of a model from outside the package, which no checkpoint is trusted to name"""

    def file(self) -> Path:
        """The checkpoint's file."""
        from snnvtg.sweeps.runs import checkpoint_of_row

        if self.checkpoint.suffix != ".csv":
            if self.row is not None:
                raise InputError(f"--row: {self.checkpoint} is no sweep's table; give NAME.csv as --checkpoint")
            return self.checkpoint
        return checkpoint_of_row(self.checkpoint, self.row, self.seed, self.runs)

    def trained(self) -> "Checkpoint":
        """The checkpoint, read."""
        from snnvtg.training import load_checkpoint

        return load_checkpoint(self.file(), self.outside())

    def outside(self) -> "type[GroundingModel] | None":
        """The class of a model from outside the package, where one is named."""
        return model_class(self.model) if self.model else None


def require_csv(out: Path) -> Path:
    """`out`, or InputError where it is not a CSV file's name."""
    if out.suffix != ".csv":
        raise InputError(f"--out: expected a name ending in .csv, got {out}")
    return out
