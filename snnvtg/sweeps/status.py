"""What each model of a sweep says of itself while it is worked on: `status.json` and `log.txt` in its folder.

Whoever follows a sweep reads these files alone, whichever process on whichever machine writes them.
"""

import contextlib
import hashlib
import json
import os
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from snnvtg.errors import first_line
from snnvtg.interrupts import held
from snnvtg.memory import give_back_freed_memory
from snnvtg.models import TrainingConfig, model_name
from snnvtg.reporting import device_description
from snnvtg.training.watching import Watcher

if TYPE_CHECKING:
    from snnvtg.sweeps.jobs import Job

State = Literal["waiting", "training", "measuring", "finished", "failed", "interrupted"]
FILE, LOG = "status.json", "log.txt"
LENGTH = 4000
"""letters of the file, most of them spaces"""
OFTEN = 1.0
"""seconds between two signs of life at the least"""
COSTS_NOTHING = ("epochs", "learning_rate", "weight_decay", "schedule", "warmup_epochs", "gradient_clip", "select_on")
"""settings of training that a step takes as long with, whatever they are"""


@dataclass(frozen=True)
class Status:
    """How far a model is; times in seconds since 1970, durations in seconds."""

    state: State = "waiting"
    epoch: int = 0
    epochs: int = 0
    began: float = 0.0
    """this attempt"""
    updated: float = 0.0
    train_seconds: float = 0.0
    """of all attempts; 0 where an earlier version trained the model"""
    measure_seconds: float = 0.0
    processor_seconds: float = 0.0
    """processor time of both: less than them where the machine did other work as well, or a GPU did this"""
    train_processor_seconds: float = 0.0
    """of training alone"""
    peak_mb: float | None = None
    """memory at its peak: of the whole process on a CPU, the allocator's on a GPU; None if unknown"""
    failure: str = ""
    """the first line of what went wrong"""
    group: str = ""
    """the same for models of equal cost"""
    device: str = ""
    machine: str = ""
    process: int = 0

    @property
    def seconds(self) -> float:
        """Training and measuring."""
        return self.train_seconds + self.measure_seconds


def read_status(folder: Path) -> Status | None:
    """What the model in `folder` said last; None where it said nothing that can be read."""
    try:
        content = {"train_processor_seconds": 0.0} | json.loads((folder / FILE).read_text())  # earlier ones lack it
        return Status(**{field.name: content[field.name] for field in fields(Status)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_status(status: Status, folder: Path) -> None:
    """Write it over what is there, in one piece of one length: a kill leaves neither a part nor a scratch file."""
    content = json.dumps(asdict(status)).encode().ljust(LENGTH) + b"\n"
    with held():
        file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(file, content)
        finally:
            os.close(file)


def cost_group(job: "Job", measures: Sequence[str] = ()) -> str:
    """Eight digits that are the same for jobs of equal cost: all but seed and settings a step's time does not know."""
    default = TrainingConfig()
    training = replace(job.recipe.training, **{name: getattr(default, name) for name in COSTS_NOTHING})
    data = replace(job.data, fold=None if job.data.fold is None else 0)  # folds are of about one size
    parts = [model_name(job.recipe.model_class), job.recipe.model, training, data, job.measured, tuple(measures)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


class Recorder:
    """Keeps `status.json` and `log.txt` of one model while the block runs; an error that leaves it is in both."""

    def __init__(self, folder: Path, epochs: int, *, device: str, group: str = ""):
        self.folder, self.device = folder, device
        earlier = read_status(folder) or Status()
        begun = any((folder / name).is_file() for name in ("last.pt", "finished.pt"))
        self.found = (folder / "finished.pt").is_file()
        self.trained_before = earlier.train_seconds if begun else 0.0
        self.processor_before = earlier.train_processor_seconds if begun else 0.0
        self.status = Status(
            "training", earlier.epoch if begun else 0, epochs, group=group, device=device,
            machine=device_description(), process=os.getpid(),
        )  # fmt: skip
        self.watcher = Watcher(self._epoch, lambda model: contextlib.nullcontext({}))

    def __enter__(self) -> "Recorder":
        reset_peak(self.device)
        self.turned, self.processor_then = time.time(), time.process_time()
        self._say(f"started on {socket.gethostname()}, process {os.getpid()}, {self.device}")
        self._write(began=self.turned, train_seconds=self.trained_before)
        return self

    def _epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if not name.startswith("loss/"))
        self._say(f"epoch {epoch} of {self.status.epochs}: {shown}")
        if time.time() - self.status.updated >= OFTEN or epoch == self.status.epochs:
            self._write(epoch=epoch, train_seconds=self._trained())

    def _trained(self) -> float:
        return round(self.trained_before + time.time() - self.turned, 3)

    def measuring(self) -> None:
        """The model is trained, or was found trained, and is measured now."""
        self._say("found trained" if self.found else "trained")
        taken = self.trained_before if self.found else self._trained()
        self._write(state="measuring", epoch=self.status.epochs, train_seconds=taken)
        self.turned = time.time()

    def failed(self, error: BaseException) -> None:
        """Why there will be no figures: its first line in the status, all of it in the log."""
        self._say("failed\n" + "".join(traceback.format_exception(error)).rstrip())
        self._write(state="failed", failure=first_line(error))

    def __exit__(self, kind, error: BaseException | None, _) -> None:
        if isinstance(error, Exception):
            self.failed(error)
        elif error is not None:
            self._say("interrupted")
            self._write(state="interrupted")
        elif self.status.state == "measuring":
            self._write(state="finished", measure_seconds=round(time.time() - self.turned, 3))
            taken = self.status
            self._say(f"finished: {taken.train_seconds:.1f} s of training, {taken.measure_seconds:.1f} s of measuring")

    def _write(self, **changes) -> None:
        peak = max(filter(None, (self.status.peak_mb, peak_mb(self.device))), default=None)
        spent = round(self.processor_before + time.process_time() - self.processor_then, 3)
        changes |= {"peak_mb": peak, "processor_seconds": spent}
        if self.status.state == "training":
            changes["train_processor_seconds"] = self.processor_before if self.found else spent
        self.status = replace(self.status, updated=changes.get("began", time.time()), **changes)
        write_status(self.status, self.folder)

    def _say(self, words: str) -> None:
        append_line(self.folder / LOG, words)


def mark_lost(folder: Path, why: str) -> None:
    """Mark a model as failed whose process could not do so itself, as it was killed."""
    status = read_status(folder) or Status(began=time.time())
    if status.state != "failed":
        append_line(folder / LOG, f"failed\n{why}")
        write_status(replace(status, state="failed", failure=why[:300], updated=time.time()), folder)


def append_line(path: Path, words: str) -> None:
    """Add `words` to a log, with the time in UTC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{now} {words}\n")


def reset_peak(device: str) -> None:
    """Let the peak of memory begin here."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        return
    give_back_freed_memory()
    with contextlib.suppress(OSError):  # no Linux
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb(device: str) -> float | None:
    """Megabytes at the peak since `reset_peak`: the process's on a CPU, the allocator's on a GPU; None if unknown."""
    if device != "cpu":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6, 1)
    return None
