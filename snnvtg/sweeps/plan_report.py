"""A plan in words and files, and planned against actual once the sweep has run."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from snnvtg.errors import InputError
from snnvtg.reporting import provenance, write_csv, write_json
from snnvtg.sweeps.live import duration
from snnvtg.sweeps.planning import Plan
from snnvtg.sweeps.probing import Cost
from snnvtg.sweeps.status import Status, read_status
from snnvtg.terminal import table_text

MOST_KINDS = 20
"""of a table in the terminal"""


def words(plan: Plan, device: str) -> str:
    """The plan for the terminal."""
    lines = {
        "rows": f"{plan.rows:,} in {', '.join(plan.tables)}; {plan.rows_there:,} in the tables already",
        "models": _models_in_words(plan),
    }
    if plan.models:
        hours = "CPU-hours" if device == "cpu" else "GPU-hours"
        processor = f", {duration(plan.processor_total)} of it processor time" if device == "cpu" else ""
        lines["work"] = f"{plan.total / 3600:.3g} {hours} ({duration(plan.total)}{processor}); {_sources(plan)}"
        counts = sorted({1, 2, 4, 8, 16, 32, 64, plan.workers})
        useful = [number for number in counts if number <= max(len(plan.models), plan.workers)]
        lines["time"] = ", ".join(f"{duration(plan.wall(number))} with {number} workers" for number in useful)
        lines["memory"] = _memory_in_words(plan, device)
        lines["disk"] = (
            f"{size(plan.models_mb)} of models, {size(plan.tables_mb)} of tables; {size(plan.most_mb)} at most "
            f"while {plan.workers} are trained"
        )
    text = "\n".join(f"{name:8} {said}" for name, said in lines.items())
    kinds = kind_table(plan)
    return f"{text}\n\n{table_text(kinds)}" if 1 < len(kinds) <= MOST_KINDS else text


def _models_in_words(plan: Plan) -> str:
    new = len(plan.models) - plan.trained - plan.begun
    shared = sum(model.rows for model in plan.models) - len(plan.models)
    sharing = f" ({shared:,} fewer than rows, as rows share models)" if shared else ""
    return (
        f"{len(plan.models):,} different ones for the other rows{sharing}: "
        f"{new:,} to train, {plan.begun:,} begun, {plan.trained:,} trained and only to be measured"
    )


def _sources(plan: Plan) -> str:
    """Where the times are from, counted in kinds of models."""
    sources = Counter(cost.source.partition(",")[0] for cost in plan.known.values())
    said = [f"{number} of {len(plan.groups)} kinds of models {source}" for source, number in sources.items()]
    rest = len(plan.groups) - len(plan.known)
    return ", ".join([*said, *([f"{rest} taken as the median of those"] if rest else [])])


def _memory_in_words(plan: Plan, device: str) -> str:
    if plan.peak_mb is None:
        return "? (this system does not say)"
    whose = "a worker at its peak" if device == "cpu" else "a worker's tensors on the GPU at their peak"
    return f"{size(plan.peak_mb)} for {whose}, {size(plan.memory_mb)} for {plan.workers}"


def kind_table(plan: Plan) -> pd.DataFrame:
    """A row for each kind of models: models of equal cost."""
    lines = []
    for group, models in plan.groups.items():
        cost = plan.costs.get(group)
        known = cost if isinstance(cost, Cost) else None
        source = known.source if known else f"not measured: {cost.why}" if cost else "not measured: no time was left"
        seconds = sum(plan.each[model.folder] for model in models)
        step = 1e3 * known.step if known and known.step else None
        lines.append({
            "kind": models[0].name, "models": len(models), "step, ms": step,
            "epoch, s": known.epoch if known else None, "measuring, s": known.measuring if known else None,
            "hours": seconds / 3600, "peak, MB": known.peak_mb if known else None, "seconds from": source,
        })  # fmt: skip
    return pd.DataFrame(lines)


def write(plan: Plan, path: Path, device: str) -> None:
    """The plan as `path` (JSON, with provenance and every model), and its kinds as CSV beside it."""
    figures = {
        "rows": plan.rows, "rows_there": plan.rows_there, "models": len(plan.models), "trained": plan.trained,
        "begun": plan.begun, "seconds": plan.total, "processor_seconds": plan.processor_total,
        "start_seconds": plan.start_seconds,
        "workers": plan.workers, "wall_seconds": plan.wall(plan.workers), "peak_mb": plan.peak_mb,
        "memory_mb": plan.memory_mb, "models_mb": plan.models_mb, "tables_mb": plan.tables_mb, "most_mb": plan.most_mb,
    }  # fmt: skip
    models = {
        model.folder: {"name": model.name, "seconds": plan.each[model.folder], "epochs_left": model.epochs_left}
        for model in plan.models
    }
    content = provenance(plan=figures, on=device, tables=list(plan.tables), planned_models=models)
    write_csv(kind_table(plan), path.with_suffix(".csv"))
    write_json(content, path)


def read(path: Path) -> dict[str, Any]:
    """A plan that `write` wrote; InputError where it is something else."""
    try:
        content = json.loads(path.read_text())
        models, figures = content["planned_models"], content["plan"]
        for seconds in (*(model["seconds"] for model in models.values()), figures["wall_seconds"]):
            float(seconds)
        list(content["tables"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{path}: no plan; write one with experiments/plan.py --plan {path.name}") from None
    return content


def compared(path: Path, runs: Path, out: Path) -> str:
    """Planned against actual hours, memory and disk of the models of the plan `path` that are finished in `runs`."""
    plan = read(path)
    models: Mapping[str, Mapping[str, Any]] = plan["planned_models"]
    statuses = {folder: read_status(runs / folder) for folder in models}
    done = {folder: status for folder, status in statuses.items() if status and status.state == "finished"}
    failed = sum(status is not None and status.state == "failed" for status in statuses.values())
    if not done:
        raise InputError(
            f"{path}: none of its {len(models)} models is finished in {runs}; run the sweep, or name --runs"
        )
    rows = comparison_rows(plan, done, runs, out)
    said = f"planned against actual, {len(done)} of {len(models)} models" + (f" ({failed} failed)" if failed else "")
    return f"{said}\n{table_text(pd.DataFrame(rows, columns=['', 'planned', 'actual', 'actual / planned']))}"


def comparison_rows(
    plan: Mapping[str, Any], done: Mapping[str, Status], runs: Path, out: Path
) -> list[tuple[str, str, str, str]]:
    """What, planned, actual, ratio; processor and wall time and disk only where every model is finished."""
    models, figures = plan["planned_models"], plan["plan"]
    new = {folder for folder in done if models[folder]["epochs_left"]}
    seconds = sum(status.measure_seconds + (status.train_seconds if f in new else 0) for f, status in done.items())
    rows = [_row("time of all workers", sum(models[folder]["seconds"] for folder in done), seconds, duration)]
    if plan["on"] == "cpu" and len(done) == len(models):
        found = [status for folder, status in done.items() if folder not in new]
        processor = sum(status.processor_seconds for status in done.values())
        processor -= sum(status.train_processor_seconds for status in found)
        rows.append(_row("processor time of it", figures["processor_seconds"], processor, duration))
    peaks = [status.peak_mb for status in done.values() if status.peak_mb is not None]
    if peaks and figures["peak_mb"] is not None:
        rows.append(_row("memory of a worker", figures["peak_mb"], max(peaks), size))
    if len(done) == len(models):
        began = min(status.began for status in done.values())
        wall = max(status.updated for status in done.values()) - began + figures["start_seconds"]
        rows.append(_row(f"time with {figures['workers']} workers", figures["wall_seconds"], wall, duration))
        kept = sum(_megabytes(file) for folder in new for file in (runs / folder).glob("*.pt"))
        rows.append(_row("disk, models", figures["models_mb"], kept, size))
        written = [out / f"{name}{end}.csv" for name in plan["tables"] for end in ("", "_queries")]
        rows.append(_row("disk, tables", figures["tables_mb"], sum(map(_megabytes, written)), size))
    return rows


def _row(name: str, planned: float, actual: float, form) -> tuple[str, str, str, str]:
    return name, form(planned), form(actual), f"{actual / planned:.2f}" if planned else "?"


def _megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6 if path.is_file() else 0.0


def size(megabytes: float) -> str:
    """A size in the unit that fits: 1.2 GB."""
    units: Sequence[tuple[str, float]] = (("TB", 1e6), ("GB", 1e3), ("MB", 1.0))
    unit, factor = next(((name, factor) for name, factor in units if megabytes >= factor), ("kB", 1e-3))
    return f"{megabytes / factor:.3g} {unit}"
