"""One sweep's files: NAME.csv with NAME.json (provenance, declaration) and NAME_queries.csv (each query's figures).

Any number of processes, on any machines that share the folder, may add to them at the same time: who writes holds the
table's lease, reads what is there by now, and puts whole files in place.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from snnvtg.claims import remove_leftovers
from snnvtg.errors import InputError
from snnvtg.leases import Lease, leased
from snnvtg.models import model_name
from snnvtg.reporting import write_csv
from snnvtg.sweeps.declaration import Sweep
from snnvtg.sweeps.measurement import Accuracy
from snnvtg.sweeps.runs import code_digest
from snnvtg.sweeps.scoring import common_evaluation, digest
from snnvtg.sweeps.settings import value_of
from snnvtg.sweeps.table import ResultsTable, read_provenance, read_rows, small, versions
from snnvtg.sweeps.trial import Trial
from snnvtg.sweeps.untrained import untrained

if TYPE_CHECKING:
    from snnvtg.sweeps.jobs import Job, Measured, Outcome

KEY = ("row", "model", "seed")
QUERY_KEY = (*KEY, "query", "video")
COSTS = (
    *("firing_rate", "synops", "macs", "energy_pj", "parameters", "seconds", "best_epoch"),
    *(
        "energy_mac_pj",
        "energy_ac_pj",
        "energy_other_pj",
        "energy_low_pj",
        "energy_high_pj",
        "coverage",
        "recipe",
        "run",
    ),
)
LEASE = 30.0
"""seconds after which a writer that renewed nothing is taken for dead"""
TRIES = 5
"""of a writer that others took for dead again and again"""
Added = tuple[dict[str, Any], Accuracy, np.ndarray, np.ndarray]
"""a row, its accuracy, and the number (Q,) of each query and video; empty where no query's figures are kept"""


class LeaseLost(InputError):
    """A writer stood still for so long that another took its place; nothing was written."""


class SweepTable:
    """The rows of one sweep that are finished, and those that are not yet."""

    def __init__(
        self,
        path: Path,
        sweep: Sweep,
        trials: Mapping[str, Trial],
        base: Trial,
        *,
        started: float,
        note: str = "",
        command: str = "",
    ):
        """`started` is when the sweep was (`time.time()`); `command`: another than this process was started by."""
        self.sweep, self.trials, self.started = sweep, trials, started
        self.digests = {name: digest(trial) for name, trial in trials.items()}
        data = base.data.load()
        identity = {
            "sweep": sweep.name,
            "model": model_name(base.recipe.model_class),
            "preset": {"model": base.recipe.model, "training": base.recipe.training},
            "data": data.name,
            "checksum": data.checksum,
            "split": base.inference.split,
            "code": code_digest("snnvtg.training.loop"),
            "measuring": code_digest("snnvtg.sweeps.measurement"),
            **({"measures": sorted(sweep.measures)} if sweep.measures else {}),
        }
        self.table = ResultsTable(path, identity, KEY, ("row", "model", "data", "split", "seed"))
        self.queries_path = path.with_name(f"{path.stem}_queries.csv")
        self.details = {
            "data": data.name,
            "data_checksum": data.checksum,
            "evaluation": common_evaluation(trials),
            "changed": note,
            "declaration": sweep.plain(),
            **({"command": command} if command else {}),
        }
        self._files = (self.queries_path, self.table.beside, path)
        self._seen: list[tuple[int, ...]] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read what is on disk by now, where anything was written since this object read or wrote it last.

        InputError where that belongs to a sweep of other settings or code.
        """
        seen = versions(self._files)
        if seen == self._seen:
            return
        self.table.rows = self.table.existing()
        before = read_provenance(self.table.path) if self.table.path.is_file() else {}
        earlier, failures = before.get("wall_seconds"), before.get("failures")
        self.earlier_seconds = earlier if isinstance(earlier, int | float) else 0.0
        self.failures: dict[str, str] = failures if isinstance(failures, dict) else {}
        self.declared_anew = before.get("declaration") != self.details["declaration"]
        self.queries = self._existing_queries()
        self._check_rows()
        self._seen = seen

    @contextmanager
    def _writing(self) -> Iterator[Lease]:
        """Alone at the files, and knowing what they hold."""
        path = self.table.path
        with leased(path.with_name(f".{path.name}.lease"), LEASE) as lease:
            remove_leftovers(path)
            self.refresh()
            yield lease

    def declared(self) -> Iterator[tuple[Trial, int, tuple[str, ...]]]:
        """Trials, seeds and controls of every row."""
        for seed in self.sweep.seeds:
            for trial in self.trials.values():
                yield trial, seed, self.sweep.controls

    def unfinished(self) -> Iterator[tuple[Trial, int, tuple[str, ...]]]:
        """Trials, seeds and controls of the rows that are not there yet, seed by seed."""
        for seed in self.sweep.seeds:
            for name, trial in self.trials.items():
                missing = [model for model in self._models(trial) if not self._holds(name, model, seed)]
                if missing:
                    yield trial, seed, tuple(model for model in missing if model in self.sweep.controls)

    def add_untrained(self) -> None:
        """The rows that take no training: once for each data set and split of the sweep."""
        with self._writing() as lease:
            self._write(list(self._all_untrained()), lease)

    def _all_untrained(self) -> Iterator[Added]:
        sources = {(trial.data, trial.inference.split): name for name, trial in reversed(self.trials.items())}
        for name in sources.values():
            trial = self.trials[name]
            axes = {axis: value for axis, value in self._axes(trial).items() if self._varies_data(axis)}
            suffix = "".join(
                f" {column}={value:g}" if isinstance(value, float) else f" {column}={value}"
                for column, value in axes.items()
            )
            if len(sources) == 1 or suffix:
                yield from self._untrained_rows(trial, suffix, axes)

    def _untrained_rows(self, trial: Trial, suffix: str, axes: dict[str, Any]) -> Iterator[Added]:
        for model, data, accuracy, queries, videos in untrained(trial):
            if not self._holds(f"{model}{suffix}", model, None):
                row = {"row": f"{model}{suffix}", "model": model, "data": data, "split": trial.inference.split}
                yield {**row, "seed": None, **axes, **accuracy.figures}, accuracy, queries, videos

    def add(self, outcome: "Outcome") -> None:
        """Add the outcome to every row it belongs to; a row that is there by now is left as it is."""
        for _ in range(TRIES - 1):
            with suppress(LeaseLost):
                return self._add(outcome)
        return self._add(outcome)

    def _add(self, outcome: "Outcome") -> None:
        with self._writing() as lease:
            added = [row for measured in outcome.measured for row in self._rows_of(measured)]
            failed = dict.fromkeys(self.labels(outcome.job), outcome.failure) if outcome.failure else {}
            if added or failed:
                self.failures |= failed
                self._write(added, lease, anyway=True)

    def _rows_of(self, measured: "Measured") -> Iterator[Added]:
        for name, trial in self.trials.items():
            if trial == measured.trial and measured.seed in self.sweep.seeds:
                yield from self._rows(name, measured)

    def _rows(self, name: str, measured: "Measured") -> Iterator[Added]:
        for position, (model, accuracy) in enumerate(measured.accuracies.items()):
            if self._holds(name, model, measured.seed) or (position and model not in self.sweep.controls):
                continue
            row = {"row": name, "model": model, "seed": measured.seed, **self._axes(self.trials[name])}
            costs = {} if position else measured.figures
            row |= {**accuracy.figures, **measured.common, **costs, "recipe": self.digests[name]}
            # of a control only the figures are kept
            queries = (measured.queries, measured.videos) if not position else (np.empty(0), np.empty(0))
            yield row, accuracy, *queries

    def failure(self, job: "Job") -> str:
        """Why the model of a job has no figures, where that is on record."""
        return next((self.failures[label] for label in self.labels(job) if label in self.failures), "")

    def forget_failures(self, jobs: Sequence["Job"]) -> None:
        """Strike the failures of jobs that are to be tried again."""
        labels = {label for job in jobs for label in self.labels(job)}
        if labels & self.failures.keys():
            with self._writing() as lease:
                self.failures = {label: why for label, why in self.failures.items() if label not in labels}
                self._write([], lease, anyway=True)

    def labels(self, job: "Job") -> list[str]:
        """`ROW, seed S` of every row that waits for the job's model, or has its figures."""
        rows = [name for name, t in self.trials.items() if (t.recipe, t.data) == (job.recipe, job.data)]
        return [f"{name}, seed {job.seed}" for name in rows if job.seed in self.sweep.seeds]

    def keep_declaration(self) -> None:
        """Write a title, note or order that changed since the last row."""
        if self.declared_anew:
            with self._writing() as lease:
                self._write([], lease, anyway=True)

    def _models(self, trial: Trial) -> tuple[str, ...]:
        return (model_name(trial.recipe.model_class), *self.sweep.controls)

    def _holds(self, row: str, model: str, seed: int | None) -> bool:
        return self.table.holds(row=row, model=model, seed=seed)

    def _axes(self, trial: Trial) -> dict[str, Any]:
        return {column: value_of(trial, axis) for axis, column in self.sweep.columns.items()}

    def _varies_data(self, column: str) -> bool:
        return any(name == column and axis.startswith("data.") for axis, name in self.sweep.columns.items())

    def _write(self, added: Sequence[Added], lease: Lease, *, anyway: bool = False) -> None:
        """Write `added`; where there is nothing to add, only if that is to be done `anyway`."""
        if not added and not anyway:
            return
        self._seen = None  # until all is written
        # the queries first: a row in the table is a row whose queries are on disk
        for row, accuracy, queries, videos in added:
            if len(queries):
                part = {"row": row["row"], "model": row["model"], "seed": row["seed"], "query": queries}
                table = pd.DataFrame({**part, "video": videos, **small(accuracy.per_query)})
                self.queries[row["row"], row["seed"]] = table.astype({"seed": "Int64"})
        if any(len(queries) for _, _, queries, _ in added):
            ordered = sorted(self.queries, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
            write_csv(pd.concat([self.queries[key] for key in ordered]), self.queries_path)
        metrics = [name for _, accuracy, _, _ in added for name in accuracy.figures]
        leading = ("row", "model", "data", "split", "seed", *self.sweep.columns.values())
        of_file = itertools.takewhile(lambda name: name not in COSTS, next(iter(self.table.rows), ()))
        known = [name for name in (*self.table.columns, *of_file) if name not in (*leading, *COSTS)]
        self.table.columns = list(dict.fromkeys([*leading, *known, *metrics, *COSTS]))
        rows = [row for row, *_ in added]
        if not lease.is_held():
            raise LeaseLost(f"{self.table.path}: another process took over while this one stood still; run it again")
        seconds = self._working_seconds()
        self.table.add(rows, wall_seconds=seconds, failures=self._still_failed(rows), **self.details)
        self.earlier_seconds, self.declared_anew, self._seen = seconds, False, versions(self._files)

    def _working_seconds(self) -> float:
        """Seconds in which any process was at this sweep: those on disk, and those since the last row or our start."""
        last = self.table.beside.stat().st_mtime if self.table.beside.is_file() else 0.0
        return round(self.earlier_seconds + max(0.0, time.time() - max(last, self.started)), 2)

    def _still_failed(self, added: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Of the failures on record, those of rows declared now that have no figures yet."""
        there = {f"{row['row']}, seed {_seed(row['seed'])}" for row in (*self.table.rows, *added)}
        asked = {f"{name}, seed {seed}" for name in self.trials for seed in self.sweep.seeds}
        self.failures = {label: why for label, why in self.failures.items() if label in asked - there}
        return self.failures

    def _existing_queries(self) -> dict[tuple[str, int | None], pd.DataFrame]:
        """What an interrupted run left of finished rows; of rows it did not finish, nothing."""
        if not self.table.rows:
            return {}
        if not self.queries_path.is_file():
            raise InputError(f"{self.queries_path}: missing beside {self.table.path.name}; move that away as well")
        found = read_rows(self.queries_path, QUERY_KEY)
        groups = {
            (str(row), None if pd.isna(seed) else int(seed)): part
            for (row, seed), part in found.groupby(["row", "seed"], dropna=False)
        }
        there = {(row["row"], _seed(row["seed"])) for row in self.table.rows}
        return {key: part for key, part in groups.items() if key in there}

    def _check_rows(self) -> None:
        """Refuse finished rows of other settings than declared now, and rows whose queries are lost."""
        for row in self.table.rows:
            name, seed = row["row"], _seed(row["seed"])
            if (name, seed) not in self.queries:
                raise InputError(f"{self.queries_path}: row {name!r}, seed {seed} is missing; move both tables away")
            if name in self.trials and row.get("recipe") != self.digests[name]:
                raise InputError(
                    f"{self.table.path}: row {name!r} was measured with other settings or code than the sweep has now; "
                    "move the table away, choose another --out or give the row another name"
                )


def _seed(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)
