"""Command-line options that several experiments share."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from snnvtg.data import DataSplits, load_folder
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.studies.checks import check_device
from snnvtg.studies.presets import with_overrides
from snnvtg.training import Preset


@dataclass(frozen=True)
class DataOptions:
    """Which data."""

    data: Path | None = None
    """folder with train.jsonl, val.jsonl, test.jsonl, features/ and glove*.txt; none: the embedded synthetic set"""
    clip_length: float = 1.0
    """seconds a feature row covers, for --data"""

    def loader(self) -> Callable[[], DataSplits]:
        """A function other processes can call to load the data."""
        if self.data is None:
            return functools.partial(generate, SyntheticConfig())
        return functools.partial(load_folder, self.data, clip_length=self.clip_length)

    def load(self) -> DataSplits:
        """The data, in memory."""
        return self.loader()()


@dataclass(frozen=True)
class PresetOptions:
    """Which model, and how it is trained."""

    preset: Literal["default", "demo", "small", "paper"] = "default"
    """default: demo on the synthetic set, small on --data"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """override a setting, as --set training.epochs=10 --set model.width=64"""

    def chosen(self, data: Path | None) -> Preset:
        """The preset with its overrides."""
        default = "demo" if data is None else "small"
        return with_overrides(default if self.preset == "default" else self.preset, self.set)


@dataclass(frozen=True)
class PoolOptions:
    """Where models are trained and kept."""

    runs: Path = Path("runs")
    """where trained models are kept"""
    device: str = "cpu"
    workers: int = os.cpu_count() or 1
    """models trained at once, each in one thread"""

    def pool(self) -> dict[str, Any]:
        """The three as keyword arguments; InputError for fewer than one worker or a device that cannot be used."""
        check_device(self.device)
        if self.workers < 1:
            raise InputError(f"workers: expected at least 1, got {self.workers}")
        return {"runs": self.runs, "device": self.device, "workers": self.workers}
