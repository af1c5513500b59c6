"""How far a sweep is that runs elsewhere: its running, finished and failed models, and the time that is left.

    python experiments/progress.py --runs runs               # once, of the sweep begun last
    python experiments/progress.py --runs runs --watch       # until it is over
    python experiments/progress.py --runs runs --sweep table4+figure3

Reads the folder of the trained models alone, as every process that works on the sweep writes there how far it is.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from snnvtg.cli.command import CommandOptions, run


@dataclass(frozen=True)
class Options(CommandOptions):
    """Follow a sweep."""

    reads: ClassVar[dict[str, str]] = {"runs": "no such folder; name the one that the sweep has as --runs"}

    runs: Path = Path("runs")
    """the folder that the sweep has as --runs"""
    sweep: str | None = None
    """its name, as runs/progress has it; none: the one begun last"""
    watch: bool = False
    """go on until every model is finished or failed"""


def main(options: Options) -> None:
    """Print how far the sweep is, or follow it."""
    from snnvtg.sweeps.live import EVERY, Teller, fitting_view, text
    from snnvtg.sweeps.progress import Follower, read_board

    teller = Teller(Follower(read_board(options.runs, options.sweep)), logs=False)
    snapshot, events = teller.tell()
    if options.watch and not snapshot.over:
        view = fitting_view()
        while not snapshot.over:
            view.show(snapshot, events)
            time.sleep(EVERY)
            snapshot, events = teller.tell()
        view.show(snapshot, events)
        view.close(snapshot)
    else:
        print(text(snapshot))


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
