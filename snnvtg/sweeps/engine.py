"""Declared sweeps, trained and measured: a row for each model and seed, and each query's overlap beside it."""

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snnvtg.data import DataSplits
from snnvtg.errors import InputError
from snnvtg.metrics import fit_prior, prior_predictions
from snnvtg.metrics.recall import per_query_iou, recall_summary
from snnvtg.records import Query
from snnvtg.reporting import write_csv
from snnvtg.studies.checks import check_device, check_selection
from snnvtg.studies.declaration import LINEAR, PRIOR, Sweep
from snnvtg.studies.linear import linear_predictions
from snnvtg.studies.measure import cost, parameter_count
from snnvtg.studies.parallel import in_processes
from snnvtg.studies.presets import Recipe
from snnvtg.studies.runs import MEASURING, code_digest, trained
from snnvtg.studies.table import ResultsTable
from snnvtg.training import Preset, evaluate

KEY = ("row", "seed")
COLUMNS = (
    *("row", "data", "split", "seed", "R1@0.5", "R1@0.7", "mIoU", "firing_rate", "synops", "macs", "energy_pj"),
    *("parameters", "seconds", "R1@0.3", "best_epoch", "recipe", "energy_mac_pj", "energy_ac_pj", "energy_other_pj"),
    "coverage",
)


@dataclass(frozen=True)
class Job:
    """One model to train and measure, whichever rows of whichever sweeps it stands in."""

    recipe: Recipe
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of a job: figures and the IoU (Q,) of each query's first window, or why there are none."""

    job: Job
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
    iou: np.ndarray | None = None
    failure: str = ""


def run_sweeps(
    sweeps: Sequence[Sweep],
    preset: Preset,
    load: Callable[[], DataSplits],
    out: Path,
    runs: Path,
    *,
    split: str = "test",
    device: str = "cpu",
    workers: int = 1,
) -> list["SweepTable"]:
    """Run what is unfinished of all sweeps in one pool of `workers`; files in the folder `out` grow with each model.

    A model that stands in several rows is trained and measured once. A row whose training fails (it may diverge) is
    named in its table's `failures` and in the JSON; the others go on.
    """
    started = time.monotonic()
    names = [sweep.name for sweep in sweeps]
    if len(set(names)) != len(names):
        raise InputError(f"sweeps: two of the same name write the same files: {', '.join(names)}")
    recipes = [sweep.recipes(preset) for sweep in sweeps]
    check_device(device)
    data = load()
    for select_on in {recipe.training.select_on for rows in recipes for recipe in rows.values()}:
        check_selection(select_on, data)
    queries = getattr(data, split).queries
    identity = {"data": data.name, "checksum": data.checksum, "preset": preset, "split": split}
    identity |= {"code": code_digest(), "measuring": code_digest(MEASURING)}
    tables = [SweepTable(out, s, r, identity, queries, started) for s, r in zip(sweeps, recipes, strict=True)]
    for table in tables:
        table.add_untrained(data, preset)
    jobs = list(dict.fromkeys(job for table in tables for job in table.unfinished()))
    work = functools.partial(measure, split=split, runs=runs, device=device)
    for outcome in in_processes(work, jobs, load, workers):
        for table in tables:
            table.add(outcome)
    for table in tables:
        table.keep_declaration()
    return tables


def measure(data: DataSplits, job: Job, *, split: str, runs: Path, device: str) -> Outcome:
    """Train the job's model, or find it trained, and measure it on `split`.

    `seconds` is the wall time of both; of a model found trained, of measuring alone.
    """
    started = time.monotonic()
    recipe, dataset = job.recipe, getattr(data, split)
    try:
        checkpoint = trained(
            runs, recipe.architecture, recipe.model, recipe.training, data, seed=job.seed, device=device
        )
    except InputError as error:
        return Outcome(job, failure=str(error))
    model = checkpoint.build().to(device)
    iou = per_query_iou(evaluate(model, dataset, device=device)[1], dataset.queries)
    spent = cost(model, dataset, device)
    if not any(name.startswith("firing_rate:") for name in spent):
        spent["firing_rate"] = None  # no neurons, which is not the same as silent ones
    figures = {**recall_summary(iou), **spent, "parameters": parameter_count(model)}
    figures |= {"best_epoch": checkpoint.progress["best_epoch"], "seconds": round(time.monotonic() - started, 1)}
    return Outcome(job, figures, iou)


class SweepTable:
    """One sweep's files: NAME.csv with NAME.json (provenance, declaration) and NAME_queries.csv."""

    def __init__(
        self,
        out: Path,
        sweep: Sweep,
        recipes: dict[str, Recipe],
        identity: dict[str, Any],
        queries: Sequence[Query],
        started: float,
    ):
        self.sweep, self.recipes, self.started = sweep, recipes, started
        path = out / f"{sweep.name}.csv"
        identity = {"study": "ablation", "sweep": sweep.name, **identity}
        columns = [*COLUMNS[:4], *sweep.axes, *COLUMNS[4:]]
        self.table = ResultsTable(path, identity, KEY, columns)
        self.queries_path = out / f"{sweep.name}_queries.csv"
        self.common = {"data": identity["data"], "split": identity["split"]}
        self.details = {"data": identity["data"], "data_checksum": identity["checksum"], "declaration": sweep.plain()}
        self.failures: dict[str, str] = {}
        before = json.loads(self.table.beside.read_text()) if self.table.rows else {}
        self.earlier_seconds = before.get("wall_seconds", 0.0)
        self.declared_anew = before.get("declaration") != self.details["declaration"]
        self.videos = pd.factorize(np.array([query.vid for query in queries], dtype=object))[0]
        self.overlaps = self._existing_overlaps()
        self._check_rows()

    def unfinished(self) -> Iterator[Job]:
        """Jobs of the rows that are not there yet, seed by seed."""
        for seed in self.sweep.seeds:
            for name, recipe in self.recipes.items():
                if not self.table.holds(row=name, seed=seed):
                    yield Job(recipe, seed)

    def add_untrained(self, data: DataSplits, preset: Preset) -> None:
        """The rows of the best fixed window and of the linear alignment alone, once."""
        split = getattr(data, self.common["split"])
        answers = {PRIOR: lambda: prior_predictions(split.queries, fit_prior(data.train.queries))}
        if preset.model.alignment == "ridge":
            answers[LINEAR] = lambda: linear_predictions(data, split, preset.model.alignment_ridge)
        for name, answer in answers.items():
            if not self.table.holds(row=name, seed=None):
                iou = per_query_iou(answer(), split.queries)
                self._write([(name, None, recall_summary(iou), iou)])

    def add(self, outcome: Outcome) -> None:
        """Add the outcome to every row it belongs to."""
        seed = outcome.job.seed
        rows = [name for name, recipe in self.recipes.items() if recipe == outcome.job.recipe]
        rows = [name for name in rows if seed in self.sweep.seeds and not self.table.holds(row=name, seed=seed)]
        if not rows:
            return
        if outcome.failure:
            self.failures |= {f"{name}, seed {seed}": outcome.failure for name in rows}
            self._write([])
            return
        added = []
        for name in rows:
            figures = {axis: value_of(self.recipes[name], axis) for axis in self.sweep.axes} | outcome.figures
            added.append((name, seed, {**figures, "recipe": digest(outcome.job.recipe)}, outcome.iou))
        self._write(added)

    def keep_declaration(self) -> None:
        """Write a title, note or order that changed since the last row."""
        if self.declared_anew:
            self._write([])

    def _write(self, added: Sequence[tuple[str, int | None, dict[str, Any], np.ndarray]]) -> None:
        # the overlaps first: a row in the table is a row whose overlaps are on disk
        for name, seed, _, iou in added:
            part = {"row": name, "seed": seed, "query": np.arange(len(iou)), "video": self.videos, "iou": iou}
            self.overlaps[name, seed] = pd.DataFrame(part).astype({"seed": "Int64"})
        if added:
            ordered = sorted(self.overlaps, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
            write_csv(pd.concat([self.overlaps[key] for key in ordered]), self.queries_path)
        rows = [{"row": name, "seed": seed, **self.common, **figures} for name, seed, figures, _ in added]
        seconds = round(self.earlier_seconds + time.monotonic() - self.started, 1)
        self.declared_anew = False
        self.table.add(rows, wall_seconds=seconds, failures=self.failures, **self.details)

    def _existing_overlaps(self) -> dict[tuple[str, int | None], pd.DataFrame]:
        """What an interrupted run left of finished rows; of rows it did not finish, nothing."""
        if not self.table.rows:
            return {}
        if not self.queries_path.is_file():
            raise InputError(f"{self.queries_path}: missing beside {self.table.path.name}; move that away as well")
        found = read_overlaps(self.queries_path)
        groups = {
            (str(name), None if pd.isna(seed) else int(seed)): part
            for (name, seed), part in found.groupby(["row", "seed"], dropna=False)
        }
        return {key: part for key, part in groups.items() if self.table.holds(row=key[0], seed=key[1])}

    def _check_rows(self) -> None:
        """Refuse finished rows of other settings than declared now, and rows whose overlaps are lost."""
        for row in self.table.rows:
            name, seed = row["row"], None if pd.isna(row["seed"]) else int(row["seed"])
            if (name, seed) not in self.overlaps:
                raise InputError(f"{self.queries_path}: row {name!r}, seed {seed} is missing; move both tables away")
            if name in self.recipes and row["recipe"] != digest(self.recipes[name]):
                raise InputError(
                    f"{self.table.path}: row {name!r} was measured with other settings than the sweep declares now; "
                    "move the table away, choose another --out or give the row another name"
                )


def read_overlaps(path: Path) -> pd.DataFrame:
    """Columns row, seed, query, video, iou; the python engine reads every float back exactly."""
    return pd.read_csv(path, engine="python", dtype={"row": str, "seed": "Int64"})


def digest(recipe: Recipe) -> str:
    """Twelve digits that tell recipes apart."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(recipe), sort_keys=True).encode()).hexdigest()[:12]


def value_of(recipe: Recipe, key: str) -> Any:
    """The value that a recipe has at a dotted setting."""
    return functools.reduce(getattr, key.split("."), recipe)
