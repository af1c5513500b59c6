"""Several models under one roof: the sweeps that compare them, and one table of what those found.

Every model takes part with its own preset and training, and with the forms its own sweep `spiking` declares (a spiking
model without its spikes, a dense one with them). Models that are scored by different figures go into different sweeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from snnvtg.data.source import DataSource
from snnvtg.models import model_class
from snnvtg.sweeps.comparison import SweepResults
from snnvtg.sweeps.declaration import Row, Setting, Sweep
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.scoring import evaluation_of_trial
from snnvtg.sweeps.settings import parse_overrides, trial_of
from snnvtg.sweeps.trial import Inference, Trial

FORMS = "spiking"
"""the model's own sweep whose rows take part beside it"""
LEADING = ("model", "data", "split", "seed", "R1@0.3", "R1@0.5", "R1@0.7", "mIoU", "SumR")
COSTS = ("parameters", "macs", "synops", "energy_pj", "energy_low_pj", "energy_high_pj")
MEASURED = ("latency_ms", "peak_mb", "seconds")
NAMES = {"recall": "moments", "video_retrieval": "videos"}
"""what the sweep of an evaluation is called, where it is not called after it"""


@dataclass(frozen=True)
class Rivals:
    """The models that are scored by one evaluation."""

    base: Trial
    sweep: Sweep


def comparisons(
    models: Sequence[str],
    preset: str,
    data: DataSource,
    inference: Inference,
    *,
    seeds: Sequence[int],
    forms: bool = True,
    overrides: Sequence[str] = (),
) -> list[Rivals]:
    """A sweep for each evaluation there is among `models`, the one with most models first.

    `forms`: also those each model declares; `overrides`: KEY=VALUE settings of every model.
    """
    changed = tuple(Setting(key, value, "--set") for key, value in parse_overrides(overrides))
    groups: dict[str, list[tuple[Row, Trial]]] = {}
    for model in models:
        base = trial_of(preset, overrides, model=model, data=data, inference=inference)
        seen = set()
        for row in rows_of(model, preset, forms, changed):
            trial = row.trial(base)
            if trial not in seen:
                groups.setdefault(evaluation_of_trial(trial), []).append((row, trial))
            seen.add(trial)
    found = []
    for evaluation, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        name = NAMES.get(evaluation, evaluation)
        rows = tuple(row for row, _ in group)
        controls = ("shuffled-query", "other-video", "shuffled-clips") if name != "videos" else ()
        sweep = Sweep(
            name, f"Models compared: {name}", tuple(seeds), rows, rows[0].name, controls=controls,
            measures=("ranking", "speed"),
        )  # fmt: skip
        found.append(Rivals(group[0][1], sweep))
    return found


def rows_of(model: str, preset: str, forms: bool = True, changed: tuple[Setting, ...] = ()) -> list[Row]:
    """The model as its preset has it, then each row of its sweep `spiking` under its own name."""
    own = model.rpartition(":")[2]
    rows = [Row(own, "--models", model, preset, changed)]
    text = model_class(model).sweep(FORMS) if forms else None
    if text is not None:
        declared = parse_sweep(text, f"{FORMS}.yaml of {model}")
        rows += [Row(f"{own}-{row.name}", row.where, model, preset, (*changed, *row.settings)) for row in declared.rows]
    return rows


def joined(found: Sequence[SweepResults]) -> pd.DataFrame:
    """One row per model and seed, controls left out; a figure that a model has not is missing."""
    parts = []
    for results in found:
        own = pd.concat([results.of(row) for row in [*results.rows, *results.untrained]])
        parts.append(own.drop(columns="model").rename(columns={"row": "model"}))
    table = pd.concat(parts, ignore_index=True)
    columns = [*LEADING, *COSTS, *MEASURED, "firing_rate"]
    extra = [name for results in found for name in results.evaluation.shown if name not in columns]
    return table.reindex(columns=list(dict.fromkeys([*columns, *extra])))


def published(models: Sequence[str], data: str) -> pd.DataFrame:
    """What the models' papers say of a data set: model, figure, value, source; empty where none does."""
    lines = []
    for model in models:
        said: Mapping = model_class(model).published().get("benchmarks", {})
        for figure, value in said.get("rows", {}).get(data, {}).items():
            lines.append({"model": model, "figure": figure, "published": value, "source": said["source"]})
    return pd.DataFrame(lines, columns=["model", "figure", "published", "source"])
