"""What an executor is, and what watches the models it runs."""

from collections.abc import Sequence
from typing import Protocol

from snnvtg.sweeps.jobs import Job, Outcome
from snnvtg.sweeps.request import SweepRequest
from snnvtg.sweeps.results import SweepTable


class Watch:
    """Told what becomes of the models that this process runs or waits for; a live table overrides what it shows."""

    def declared(self, jobs: Sequence[Job]) -> None:
        """The models that are to be run now."""

    def started(self, job: Job) -> None:
        """A model is being trained."""

    def ended(self, outcome: Outcome) -> None:
        """A model is trained and measured and in the tables, or `outcome.failure` says why not."""


class Executor(Protocol):
    """Runs the unfinished models of a request, and has their outcomes added to the tables."""

    workers: int
    """models it runs at once"""
    shares_tables: bool
    """whether other commands may write to the same tables at the same time"""
    runs_elsewhere: bool
    """whether models run on machines whose devices are not this one's"""

    def run(self, request: SweepRequest, tables: Sequence[SweepTable], watch: Watch) -> None:
        """Run, or have run, what is unfinished; `tables` hold at the end what is known by then."""
        ...
