"""Watching a training run while it goes: losses, firing rates by layer and validation figures, epoch by epoch."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd
from torch import Tensor

from snnvtg.errors import InputError
from snnvtg.files import atomic

Watcher = Callable[[int, Mapping[str, float]], None]
"""called after each epoch with its number and figures: `loss`, `loss/TERM`, `firing_rate/LAYER`, validation by name"""


def watcher(name: Literal["none", "csv", "tensorboard"], folder: Path) -> Watcher | None:
    """What watches a run that writes to `folder`: live.csv there, or the event files of TensorBoard; None for none.

    InputError where TensorBoard is not installed.
    """
    if name == "none":
        return None
    return CsvWatcher(folder / "live.csv") if name == "csv" else tensorboard(folder)


class CsvWatcher:
    """A line per epoch in one CSV file, whole after every epoch; a resumed run goes on below what is there."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Write the line of an epoch in place of it and of any later one."""
        earlier = pd.read_csv(self.path) if self.path.is_file() else pd.DataFrame(columns=["epoch"])
        line = pd.DataFrame([{"epoch": epoch, **figures}])
        kept = earlier[earlier["epoch"] < epoch]
        table = pd.concat([kept, line], ignore_index=True) if len(kept) else line
        with atomic(self.path) as scratch:
            table.to_csv(scratch, index=False)


def tensorboard(folder: Path) -> Watcher:
    """Scalars in the event files of TensorBoard: `tensorboard --logdir FOLDER`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--live tensorboard: tensorboard is not installed; pip install tensorboard, or take csv"
        ) from None
    writer = SummaryWriter(str(folder))

    def watch(epoch: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            if math.isfinite(value):
                writer.add_scalar(name if "/" in name or name == "loss" else f"validation/{name}", value, epoch)
        writer.flush()

    return watch


class Terms:
    """Means of the loss terms of an epoch, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """The terms of one step."""
        self.steps += 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()

    def take(self) -> dict[str, float]:
        """`loss/TERM` → mean over the steps since it was last asked for."""
        means = {f"loss/{name}": float(total) / self.steps for name, total in self.sums.items()}
        self.sums, self.steps = {}, 0
        return means
