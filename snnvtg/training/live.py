"""Watching a training run while it goes: losses, firing rates by layer and validation figures, epoch by epoch."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.instrumentation import FiringRates
from snnvtg.training.watching import Watcher, Write


def watcher(name: Literal["none", "csv", "tensorboard"], folder: Path) -> Watcher | None:
    """What watches a run that writes to `folder`: live.csv there, or the event files of TensorBoard; None for none.

    InputError where TensorBoard is not installed.
    """
    if name == "none":
        return None
    write = CsvLines(folder / "live.csv") if name == "csv" else tensorboard(folder)
    return Watcher(write, lambda model: FiringRates(model, "T...C"))


class CsvLines:
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


def tensorboard(folder: Path) -> Write:
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
