"""How far a sweep is, from its folder alone: what runs, is finished or failed, and how long the rest takes.

`runs/progress/NAME.json` lists the models a command set out to train and measure; how far each is it says itself, in
its own folder (`sweeps.status`). So a sweep is followed in the same way whoever works on it, here or on a cluster.
"""

import heapq
import json
import os
import socket
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from snnvtg.claims import remove_leftovers
from snnvtg.errors import InputError
from snnvtg.reporting import write_json
from snnvtg.sweeps.declaration import measures_of
from snnvtg.sweeps.runs import run_folder
from snnvtg.sweeps.status import LOG, Status, cost_group, mark_lost, read_status

if TYPE_CHECKING:
    from snnvtg.sweeps.jobs import Job, Outcome
    from snnvtg.sweeps.results import SweepTable

FOLDER = "progress"
PLAN = "plan.json"
"""the plan that is beside the tables of a sweep"""
FOLDS = "folds"
"""the folder of the tables that a sweep over folds pools, beside the pooled ones"""
RUNNING = ("training", "measuring")
OVER = ("finished", "failed")


@dataclass(frozen=True)
class Listed:
    """One model of a sweep."""

    name: str
    """its row and seed; of several rows the first"""
    folder: str
    """of its run, below that of all runs"""
    group: str
    """the same for models of equal cost"""
    planned: float | None = None
    """seconds, where a plan said so"""


@dataclass(frozen=True)
class Board:
    """The models that one command set out to train and measure."""

    path: Path
    """of the file; the runs are two folders above"""
    models: tuple[Listed, ...]
    workers: int
    began: float
    """seconds since 1970"""
    shared: bool = False
    """whether other commands may work on the same sweep"""

    @property
    def name(self) -> str:
        """What the sweep is called: the names of its tables."""
        return self.path.stem

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.path.parent.parent

    @property
    def log(self) -> Path:
        """A line for each event that this process saw; a file of its own where others write one too."""
        own = f".{socket.gethostname()}-{os.getpid()}" if self.shared else ""
        return self.path.with_name(f"{self.name}{own}.log")

    def write(self) -> None:
        """Write the file, atomically."""
        models = [asdict(model) for model in self.models]
        write_json({"workers": self.workers, "began": self.began, "models": models}, self.path)

    def note(self, outcome: "Outcome") -> None:
        """Mark the model of an outcome as failed where its process could not, as it was killed."""
        if outcome.failure:
            job = outcome.job
            mark_lost(run_folder(self.runs, job.recipe, job.data.load(), job.seed), outcome.failure)


def begin(
    runs: Path,
    tables: Sequence["SweepTable"],
    jobs: Sequence["Job"],
    *,
    workers: int,
    shared: bool = False,
) -> Board:
    """Write down what is to be done, with what a plan beside the tables says of it.

    `shared`: other commands may work on the same sweep, whose models stay on the board that they began.
    """
    path = runs / FOLDER / f"{'+'.join(table.table.path.stem for table in tables)[:100]}.json"
    measures = measures_of(table.sweep for table in tables)
    planned = planned_seconds(tables[0].table.path.parent)
    models = []
    for job in jobs:
        folder = run_folder(runs, job.recipe, job.data.load(), job.seed).name
        models.append(Listed(job_name(tables, job), folder, cost_group(job, measures), planned.get(folder)))
    board = Board(path, tuple(models), workers, time.time(), shared)
    if shared and path.is_file():
        board = _joined(board, read_board(runs, path.stem))
    if models:
        board.write()
        if not shared:  # else another command may be writing it just now
            remove_leftovers(path)
    return board


def _joined(board: Board, earlier: Board) -> Board:
    """The earlier board with the models that it lacks, where any of its models are still to be done; else the new."""
    listed = {model.folder for model in earlier.models}
    if not any(model.folder in listed for model in board.models):
        return board
    more = tuple(model for model in board.models if model.folder not in listed)
    return replace(board, models=(*earlier.models, *more), began=earlier.began)


def planned_seconds(tables: Path) -> dict[str, float]:
    """Seconds by the name of a run's folder, of the plan in the folder of the tables; none where there is no plan."""
    path = (tables.parent if tables.name == FOLDS else tables) / PLAN
    try:
        models = json.loads(path.read_text())["planned_models"]
        return {folder: float(model["seconds"]) for folder, model in models.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def job_name(tables: Iterable["SweepTable"], job: "Job") -> str:
    """The first of the rows that a job is for, its fold where it has one, and its seed."""
    rows = [
        row
        for table in tables
        for row, trial in table.trials.items()
        if (trial.recipe, trial.data) == (job.recipe, job.data) and job.seed in table.sweep.seeds
    ]
    more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    fold = "" if job.data.fold is None else f", fold {job.data.fold + 1}"
    return f"{rows[0] if rows else 'no row'}{more}{fold}, seed {job.seed}"


def read_board(runs: Path, name: str | None = None) -> Board:
    """The board of the sweep called `name`, or the one begun last; InputError where there is none."""
    files = sorted((runs / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise InputError(f"{runs / FOLDER}: no sweep was begun there; name the folder that a sweep has as --runs")
    path = files[-1] if name is None else runs / FOLDER / f"{name}.json"
    if path not in files:
        raise InputError(f"{path}: no such sweep; there are {', '.join(file.stem for file in files)}")
    try:
        content = json.loads(path.read_text())
        models = tuple(Listed(**model) for model in content["models"])
        return Board(path, models, int(content["workers"]), float(content["began"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path}: not what a sweep wrote; remove it, the sweep's next start writes it again") from None


@dataclass(frozen=True)
class Snapshot:
    """A sweep at one moment."""

    board: Board
    statuses: tuple[Status, ...]
    """in the order of the board's models"""
    now: float
    """seconds since 1970"""

    @property
    def models(self) -> list[tuple[Listed, Status]]:
        """Every model beside how far it is."""
        return list(zip(self.board.models, self.statuses, strict=True))

    def of(self, *states: str) -> list[tuple[Listed, Status]]:
        """The models in one of these states."""
        return [(model, status) for model, status in self.models if status.state in states]

    @property
    def over(self) -> bool:
        """Whether every model is finished or failed."""
        return len(self.of(*OVER)) == len(self.statuses)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning, up to the last model's end where all are over."""
        last = max((status.updated for status in self.statuses), default=self.now)
        return max(0.0, (last if self.over else self.now) - self.board.began)

    def log_of(self, model: Listed) -> Path:
        """The model's own log, with the full traceback of a failure."""
        return self.board.runs / model.folder / LOG

    def left(self, model: Listed, status: Status) -> float | None:
        """Seconds a running model still takes, None where nothing is known."""
        whole = self.typical().get(model.group, model.planned)
        past = status.train_seconds + max(0.0, self.now - status.updated)
        if whole is None:
            if status.state == "measuring" or not status.epoch:
                return None
            whole = status.train_seconds / status.epoch * status.epochs
        elif status.state == "measuring":
            past = status.seconds + max(0.0, self.now - status.updated)
        return max(0.0, whole - past)

    def remaining(self) -> float | None:
        """Seconds until all is done, None where nothing is known: what is left, dealt out to the workers in order.

        A model takes as long as the median of those finished of equal cost, else as planned, else as one of equal cost
        that runs will take by its epochs so far, else as the median of all that is known.
        """
        running, waiting = self.of(*RUNNING), self.of("waiting", "interrupted")
        if not running and not waiting:
            return 0.0
        known = self.typical()
        lasting = {model.group: self._by_epochs(status) for model, status in running if self._by_epochs(status)}
        wholes = [known.get(model.group, model.planned or lasting.get(model.group)) for model, _ in self.models]
        found = [whole for whole in wholes if whole is not None]
        if not found:
            return None
        usual = statistics.median(found)
        lefts = [self.left(model, status) for model, status in running]
        free = [usual if left is None else left for left in lefts]
        free += [0.0] * max(0, self.board.workers - len(free))
        heapq.heapify(free)
        for model, _ in waiting:
            whole = known.get(model.group, model.planned or lasting.get(model.group, usual))
            heapq.heappush(free, heapq.heappop(free) + whole)
        return max(free)

    @staticmethod
    def _by_epochs(status: Status) -> float | None:
        return status.train_seconds / status.epoch * status.epochs if status.epoch else None

    def typical(self) -> dict[str, float]:
        """The median seconds of the finished models of each group that were trained, not found trained."""
        found: dict[str, list[float]] = {}
        for model, status in self.of("finished"):
            if status.train_seconds:
                found.setdefault(model.group, []).append(status.seconds)
        return {group: statistics.median(seconds) for group, seconds in found.items()}


class Follower:
    """Reads a sweep's folder again and again; a finished model is not read again."""

    def __init__(self, board: Board):
        self.board = board
        self.last: dict[str, Status] = {}

    def read(self) -> Snapshot:
        """The sweep now."""
        for model in self.board.models:
            if self.last.get(model.folder, Status()).state != "finished":
                status = read_status(self.board.runs / model.folder)
                if status is not None and status.updated >= self.board.began:  # else of an earlier command
                    self.last[model.folder] = status
        statuses = [self.last.get(model.folder, Status()) for model in self.board.models]
        return Snapshot(self.board, tuple(statuses), time.time())
