"""Every figure of a folder of reports, drawn from its tables alone."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from snnvtg.energy.report_trade import trade_table
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.models import MODELS
from snnvtg.page.findings import METRICS, own_steps
from snnvtg.page.results import paired, results_of
from snnvtg.page.sources import Source
from snnvtg.plots.benchmarks import lif_figure, scan_figure
from snnvtg.plots.energy_report import energy_figures
from snnvtg.plots.front import front_figure
from snnvtg.plots.grid import grid_figure
from snnvtg.plots.recall import recall_figure
from snnvtg.plots.timesteps import timestep_figure
from snnvtg.sweeps.comparison import video_intervals
from snnvtg.sweeps.report import figure_of

BENCHMARKS = {"benchmark_lif": lif_figure, "benchmark_scan": scan_figure}


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure; `name` is its path within the folder, without a suffix."""

    name: str
    title: str
    figure: Figure
    source: Source


def drawings(sources: Sequence[Source]) -> Iterator[Drawing]:
    """The figures that the tables allow, in the order of their names."""
    for source in sources:
        name = source.name.removesuffix(".csv")
        if source.kind == "sweep":
            yield from _sweep(source, name)
        elif source.kind == "comparison":
            shown = [m for m in METRICS if m in source.frame and source.frame[m].notna().any()]
            if shown:
                title = f"Accuracy against energy, {source.data} data"
                yield Drawing(name, title, front_figure(source.frame, shown[:2], title), source)
        elif source.kind == "energy" and source.path.stem == "models":
            yield from _energy(source, sources)
        elif source.kind == "benchmark":
            yield from _benchmark(source, name)
        elif source.kind == "table":
            yield from _recall(source, name)
            yield from _undeclared_grid(source, name)


def _sweep(source: Source, name: str) -> Iterator[Drawing]:
    results = results_of(source)
    if results is None or not results.rows:
        return
    if "num_timesteps" in results.axes and source.path.stem.startswith("timestep_sweep"):
        metrics = [*reversed(results.evaluation.compared)]
        intervals = video_intervals(results) if len(results.queries) else None
        model = _called(results.provenance.get("identity", {}).get("model", "model"))
        title = f"{model} on {source.data} data, {source.frame['split'].iloc[0]} split"
        figure = timestep_figure(source.frame, results.axes, results.controls, metrics, title, intervals)
        yield Drawing(name, title, figure, source)
    else:
        figure = figure_of(results, paired(results))
        if figure is not None:
            yield Drawing(name, results.title, figure, source)


def _called(model: str) -> str:
    """The name of a model's class; of one that is not the toolkit's, what its table calls it."""
    return MODELS[model].__name__ if model in MODELS else model


def _energy(models: Source, sources: Sequence[Source]) -> Iterator[Drawing]:
    folder = models.name.removesuffix("models.csv")
    tables = {s.path.stem: s.frame for s in sources if s.kind == "energy" and s.name.startswith(folder)}
    if "modules" not in tables:
        return
    own, trade, metric = own_steps(models), None, ""
    if "accuracy" in tables:
        metric = next(name for name in METRICS if name in tables["accuracy"])
        trade = trade_table(tables["models"], tables["accuracy"], metric, _sweep_named(models, sources))
    figures = energy_figures(tables, own, subject_of(models), models.provenance.get("queries"), trade, metric)
    for name, figure in figures.items():
        yield Drawing(f"{folder}{name}", f"{name.replace('_', ' ')}: {subject_of(models)}", figure, models)


def _recall(source: Source, name: str) -> Iterator[Drawing]:
    title, reference = (source.provenance.get(said) for said in ("title", "reference"))
    if title and reference and {"row", "figure", "threshold", "difference", "low", "high"} <= {*source.frame}:
        yield Drawing(name, title, recall_figure(source.frame, reference, title), source)


def _undeclared_grid(source: Source, name: str) -> Iterator[Drawing]:
    """A sweep of an earlier version, whose provenance has no declaration: its axes stand between seed and figures."""
    evaluation, columns = EVALUATIONS.get(str(source.provenance.get("evaluation"))), list(source.frame)
    if evaluation is None or not {"row", "model", "seed", "split"} <= {*columns}:
        return
    figures = [columns.index(c) for c in columns if c in evaluation.shown or c.startswith(("R1@", "MR-", "HL-"))]
    axes = columns[columns.index("seed") + 1 : min(figures, default=0)]
    if axes:
        seeds = source.frame["seed"].nunique()
        words = f"{source.data} data, {source.frame['split'].iloc[0]} split, {seeds} seeds"
        title = f"{source.path.stem.partition('_')[0].capitalize()} ({words})"
        yield Drawing(name, title, grid_figure(source.frame, axes, evaluation.compared, title), source)


def subject_of(models: Source) -> str:
    """What network on what data an energy report is of."""
    if "subject" in models.provenance:
        return models.provenance["subject"]
    page = models.path.with_name("report.md")
    found = re.match(r"# Energy of (.*)", page.read_text(encoding="utf-8")) if page.is_file() else None
    return found.group(1) if found else f"a network on {models.data or 'its inputs'}"


def _sweep_named(models: Source, sources: Sequence[Source]):
    """The sweep's table that the report's command was given, where it lies in the folder as well."""
    words = shlex.split(models.provenance.get("command", ""))
    if "--sweep" not in words[:-1]:
        return None
    wanted = words[words.index("--sweep") + 1].rpartition("/")[2]
    return next((source.path for source in sources if source.path.name == wanted), None)


def _benchmark(source: Source, name: str) -> Iterator[Drawing]:
    for stem, draw in BENCHMARKS.items():
        if source.path.stem == stem or source.path.stem.startswith(f"{stem}_xeon"):
            title = f"{name.replace('_', ' ')}, {source.provenance.get('device', '')}"
            yield Drawing(name, title, draw(source.frame), source)
