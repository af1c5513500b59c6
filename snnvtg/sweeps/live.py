"""A sweep that people can follow: one live table in a terminal or a notebook, plain lines in a file.

Each is made from the same snapshots (`sweeps.progress`), so it does not matter who works on the sweep. `--quiet` shows
nothing; the log of events beside the board is written in any case.
"""

import html
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from tqdm import tqdm

from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.jobs import Outcome
from snnvtg.sweeps.progress import RUNNING, Board, Follower, Snapshot
from snnvtg.sweeps.status import Status, append_line

SHOWN = 8
"""running models with a line of their own, and failed ones"""
EVERY = 1.0
"""seconds between two looks at the folder"""
RARELY = 30.0
"""seconds between two plain lines, failures apart"""


class View(Protocol):
    """Where a sweep is shown."""

    def show(self, snapshot: Snapshot, events: Sequence[str]) -> None:
        """Show the sweep as it is now, and the failures among what happened since it was last shown."""

    def close(self, snapshot: Snapshot) -> None:
        """Leave what is to be seen afterwards."""


@contextmanager
def followed(board: Board, view: View | None = None) -> Iterator[Watch]:
    """Show the sweep while the block runs, in the view that fits or in `view`; a board without models shows nothing.

    Yields what an executor tells of models whose processes could not say themselves how they ended.
    """
    if not board.models:
        yield Watch()
        return
    view, teller, stop = view or fitting_view(), Teller(Follower(board)), threading.Event()

    def look() -> None:
        while not stop.wait(EVERY):
            with suppress(OSError):  # a shared folder may fail for a moment
                view.show(*teller.tell())

    view.show(*teller.tell())  # here: what a thread shows later stands in the same cell of a notebook
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield BoardWatch(board)
    finally:
        stop.set()
        thread.join()
        with suppress(OSError):
            snapshot, events = teller.tell()
            view.show(snapshot, events)
            view.close(snapshot)


class BoardWatch(Watch):
    """Marks models as failed that did not do so themselves."""

    def __init__(self, board: Board):
        self.board = board

    def ended(self, outcome: Outcome) -> None:
        """A model whose process was killed has failed."""
        self.board.note(outcome)


class Teller:
    """Snapshots with what happened since the one before, each event a line in the board's log."""

    def __init__(self, follower: Follower, *, logs: bool = True):
        self.follower, self.logs = follower, logs
        self.told: dict[str, str] = {}

    def tell(self) -> tuple[Snapshot, list[str]]:
        """The sweep now, and a line for each model that started, finished or failed."""
        snapshot = self.follower.read()
        events = []
        for model, status in snapshot.models:
            state = "started" if status.state in RUNNING else status.state
            if state not in ("waiting", self.told.get(model.folder)):
                self.told[model.folder] = state
                events.append(" · ".join([f"{state} {model.name}", *self._details(snapshot, model, status)]))
        if self.logs:
            for event in events:
                append_line(snapshot.board.log, event)
        return snapshot, events

    @staticmethod
    def _details(snapshot: Snapshot, model, status: Status) -> list[str]:
        if status.state == "finished":
            return [duration(status.seconds)]
        return [status.failure, f"log: {snapshot.log_of(model)}"] if status.state == "failed" else []


def fitting_view() -> View:
    """A table in a notebook or a terminal, lines in a file, nothing where --quiet was asked for."""
    if os.environ.get("TQDM_DISABLE"):
        return Nothing()
    if "ipykernel" in sys.modules and _in_notebook():
        return Notebook()
    return Terminal() if sys.stderr.isatty() else Lines()


def _in_notebook() -> bool:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class Nothing:
    """Shows nothing."""

    def show(self, snapshot: Snapshot, events: Sequence[str]) -> None:
        """Nothing."""

    def close(self, snapshot: Snapshot) -> None:
        """Nothing."""


class Lines:
    """Plain lines for a file: every failure, and how far the sweep is at most every 30 seconds."""

    def __init__(self) -> None:
        self.spoke, self.last = -RARELY, ""

    def show(self, snapshot: Snapshot, events: Sequence[str]) -> None:
        """Failures, and the sums if there was nothing for a while."""
        for event in events:
            if event.startswith("failed"):
                print(event, file=sys.stderr, flush=True)
        if time.monotonic() - self.spoke >= RARELY:
            self._say(snapshot)

    def close(self, snapshot: Snapshot) -> None:
        """The sums at the end."""
        self._say(snapshot)

    def _say(self, snapshot: Snapshot) -> None:
        if summary(snapshot) != self.last:
            self.spoke, self.last = time.monotonic(), summary(snapshot)
            print(self.last, file=sys.stderr, flush=True)


class Terminal:
    """A bar for the sweep with a line for each running model below it, drawn over; failures stay above."""

    def __init__(self) -> None:
        self.bars: list[tqdm] = []

    def show(self, snapshot: Snapshot, events: Sequence[str]) -> None:
        """Draw it anew."""
        for event in events:
            if event.startswith("failed"):
                tqdm.write(event, file=sys.stderr)
        lines = [summary(snapshot), *running_lines(snapshot)]
        while len(self.bars) < len(lines):
            bar = tqdm(total=0, bar_format="{desc}", position=len(self.bars), leave=False, dynamic_ncols=True)
            self.bars.append(bar)
        for bar, line in zip(self.bars, lines + [""] * len(self.bars), strict=False):
            bar.set_description_str(line)

    def close(self, snapshot: Snapshot) -> None:
        """The sums stay."""
        for bar in reversed(self.bars):
            bar.close()
        print(summary(snapshot), file=sys.stderr, flush=True)


class Notebook:
    """A table below the cell, drawn over."""

    def __init__(self) -> None:
        self.handle = None

    def show(self, snapshot: Snapshot, events: Sequence[str]) -> None:
        """Draw it anew."""
        from IPython.display import display

        content = {"text/plain": text(snapshot), "text/html": page(snapshot)}
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)

    def close(self, snapshot: Snapshot) -> None:
        """The table stays."""


def summary(snapshot: Snapshot) -> str:
    """The sweep in one line."""
    counts = {
        "finished": len(snapshot.of("finished")),
        "running": len(snapshot.of(*RUNNING)),
        "failed": len(snapshot.of("failed")),
        "waiting": len(snapshot.of("waiting", "interrupted")),
    }
    words = [f"{number} {state}" for state, number in counts.items() if number or state == "finished"]
    left = "" if snapshot.over else f", {about(snapshot.remaining())} left"
    counted = f"{len(snapshot.statuses)} models: {', '.join(words)}"
    return f"{snapshot.board.name}: {counted} · {duration(snapshot.elapsed)}{left}"


def running_rows(snapshot: Snapshot) -> list[tuple[str, str, str, str, str]]:
    """State, model, epoch, time so far and time left of each running model, the longest running first."""
    rows = []
    for model, status in sorted(snapshot.of(*RUNNING), key=lambda pair: pair[1].began):
        epoch = f"epoch {status.epoch} of {status.epochs}" if status.state == "training" else ""
        left = f"{about(snapshot.left(model, status))} left"
        rows.append((status.state, model.name, epoch, duration(max(0.0, snapshot.now - status.began)), left))
    return rows


def running_lines(snapshot: Snapshot) -> list[str]:
    """A line for each running model."""
    rows = running_rows(snapshot)
    lines = [f"  {state:9} {name:40} {epoch:16} {past:>8}, {left}" for state, name, epoch, past, left in rows[:SHOWN]]
    return [*lines, *([f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])]


def failed_rows(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Model, first line and log of each failure."""
    return [(model.name, status.failure, str(snapshot.log_of(model))) for model, status in snapshot.of("failed")]


def text(snapshot: Snapshot) -> str:
    """The sweep as plain text: sums, running models, every failure with its log."""
    failures = [f"  failed    {name}: {why} (log: {log})" for name, why, log in failed_rows(snapshot)]
    return "\n".join([summary(snapshot), *running_lines(snapshot), *failures])


def page(snapshot: Snapshot) -> str:
    """The same as HTML."""
    rows = running_rows(snapshot)[:SHOWN]
    rows += [("failed", name, why, "", log) for name, why, log in failed_rows(snapshot)]
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<p>{html.escape(summary(snapshot))}</p>" + (f"<table>{body}</table>" if rows else "")


def about(seconds: float | None) -> str:
    """An estimate: `about 0:02:00`, or `?`."""
    return "?" if seconds is None else f"about {duration(seconds)}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
