"""One sweep's files: NAME.csv with NAME.json (provenance, declaration) and NAME_queries.csv (each query's figures)."""

import dataclasses
import hashlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from snnvtg.errors import InputError
from snnvtg.models import model_name
from snnvtg.reporting import write_csv
from snnvtg.sweeps.declaration import Sweep
from snnvtg.sweeps.measurement import Accuracy
from snnvtg.sweeps.runs import code_digest, shaping_code
from snnvtg.sweeps.settings import value_of
from snnvtg.sweeps.table import ResultsTable, read_provenance, read_rows
from snnvtg.sweeps.trial import Trial
from snnvtg.sweeps.untrained import untrained

if TYPE_CHECKING:
    from snnvtg.sweeps.engine import Measured, Outcome

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
Added = tuple[dict[str, Any], Accuracy, np.ndarray, np.ndarray]
"""a row, its accuracy, and the number (Q,) of each query and video; empty where no query's figures are kept"""


class SweepTable:
    """The rows of one sweep that are finished, and those that are not yet."""

    def __init__(
        self, path: Path, sweep: Sweep, trials: Mapping[str, Trial], base: Trial, *, started: float, note: str = ""
    ):
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
        }
        self.failures: dict[str, str] = {}
        before = read_provenance(path) if self.table.rows else {}
        earlier = before.get("wall_seconds")
        self.earlier_seconds = earlier if isinstance(earlier, int | float) else 0.0
        self.declared_anew = before.get("declaration") != self.details["declaration"]
        self.queries = self._existing_queries()
        self._check_rows()

    def unfinished(self) -> Iterator[tuple[Trial, int, tuple[str, ...]]]:
        """Trials, seeds and controls of the rows that are not there yet, seed by seed."""
        for seed in self.sweep.seeds:
            for name, trial in self.trials.items():
                missing = [model for model in self._models(trial) if not self._holds(name, model, seed)]
                if missing:
                    yield trial, seed, tuple(model for model in missing if model in self.sweep.controls)

    def add_untrained(self) -> None:
        """The rows that take no training: once for each data set and split of the sweep."""
        sources = {(trial.data, trial.inference.split): name for name, trial in reversed(self.trials.items())}
        for name in sources.values():
            trial = self.trials[name]
            axes = {axis: value for axis, value in self._axes(trial).items() if self._varies_data(axis)}
            suffix = "".join(
                f" {column}={value:g}" if isinstance(value, float) else f" {column}={value}"
                for column, value in axes.items()
            )
            if len(sources) == 1 or suffix:
                self._write(list(self._untrained_rows(trial, suffix, axes)))

    def _untrained_rows(self, trial: Trial, suffix: str, axes: dict[str, Any]) -> Iterator[Added]:
        for model, data, accuracy, queries, videos in untrained(trial):
            if not self._holds(f"{model}{suffix}", model, None):
                row = {"row": f"{model}{suffix}", "model": model, "data": data, "split": trial.inference.split}
                yield {**row, "seed": None, **axes, **accuracy.figures}, accuracy, queries, videos

    def add(self, outcome: "Outcome") -> None:
        """Add the outcome to every row it belongs to."""
        if outcome.failure:
            self._fail(outcome)
        for measured in outcome.measured:
            rows = [name for name, trial in self.trials.items() if trial == measured.trial]
            if measured.seed in self.sweep.seeds:
                self._write([row for name in rows for row in self._rows(name, measured)])

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

    def _fail(self, outcome: "Outcome") -> None:
        job = outcome.job
        rows = [name for name, t in self.trials.items() if (t.recipe, t.data) == (job.recipe, job.data)]
        if job.seed in self.sweep.seeds and rows:
            self.failures |= {f"{name}, seed {job.seed}": outcome.failure for name in rows}
            self._write([], failed=True)

    def keep_declaration(self) -> None:
        """Write a title, note or order that changed since the last row."""
        if self.declared_anew:
            self._write([], failed=True)

    def _models(self, trial: Trial) -> tuple[str, ...]:
        return (model_name(trial.recipe.model_class), *self.sweep.controls)

    def _holds(self, row: str, model: str, seed: int | None) -> bool:
        return self.table.holds(row=row, model=model, seed=seed)

    def _axes(self, trial: Trial) -> dict[str, Any]:
        return {column: value_of(trial, axis) for axis, column in self.sweep.columns.items()}

    def _varies_data(self, column: str) -> bool:
        return any(name == column and axis.startswith("data.") for axis, name in self.sweep.columns.items())

    def _write(self, added: Sequence[Added], *, failed: bool = False) -> None:
        # the queries first: a row in the table is a row whose queries are on disk
        for row, accuracy, queries, videos in added:
            if len(queries):
                part = {"row": row["row"], "model": row["model"], "seed": row["seed"], "query": queries}
                table = pd.DataFrame({**part, "video": videos, **_small(accuracy.per_query)})
                self.queries[row["row"], row["seed"]] = table.astype({"seed": "Int64"})
        if any(len(queries) for _, _, queries, _ in added):
            ordered = sorted(self.queries, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
            write_csv(pd.concat([self.queries[key] for key in ordered]), self.queries_path)
        if not added and not failed:
            return
        seconds = round(self.earlier_seconds + time.monotonic() - self.started, 1)
        self.declared_anew = False
        metrics = [name for _, accuracy, _, _ in added for name in accuracy.figures]
        leading = ("row", "model", "data", "split", "seed", *self.sweep.columns.values())
        of_file = itertools.takewhile(lambda name: name not in COSTS, next(iter(self.table.rows), ()))
        known = [name for name in (*self.table.columns, *of_file) if name not in (*leading, *COSTS)]
        self.table.columns = list(dict.fromkeys([*leading, *known, *metrics, *COSTS]))
        rows = [row for row, *_ in added]
        self.table.add(rows, wall_seconds=seconds, failures=self.failures, **self.details)

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


def digest(trial: Trial) -> str:
    """Twelve digits that tell trials apart: settings, data, and the code of the model."""
    recipe = trial.recipe
    content = {
        "model_name": model_name(recipe.model_class),
        "model": dataclasses.asdict(recipe.model),
        "training": dataclasses.asdict(recipe.training),
        "data": trial.data.load().checksum,
        "inference": dataclasses.asdict(trial.inference),
        "code": shaping_code(recipe),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def evaluation_of_trial(trial: Trial) -> str:
    """The name in `metrics.evaluations.EVALUATIONS` of how a trial is scored."""
    data, recipe = trial.data.load(), trial.recipe
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    return "video_retrieval" if model.needs.every_video else getattr(data, trial.inference.split).evaluation


def common_evaluation(trials: Mapping[str, Trial]) -> str:
    """How every row is scored; InputError where two are scored differently, for no figure would compare them."""
    found = {name: evaluation_of_trial(trial) for name, trial in trials.items()}
    first, known = next(iter(found.items()))
    for name, evaluation in found.items():
        if evaluation != known:
            raise InputError(
                f"row {name!r} is scored by {evaluation}, row {first!r} by {known}; declare a sweep for each"
            )
    return known


def _seed(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def _small(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Figures that are 0 or 1 as whole numbers: a file half as long."""
    whole = {name: np.all((value == 0) | (value == 1)) for name, value in values.items()}
    return {name: value.astype(int) if whole[name] else value for name, value in values.items()}
