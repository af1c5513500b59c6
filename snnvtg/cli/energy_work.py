"""The work of `energy_report`: what it counts, and what it writes."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.data.controls import CONTROLS as DATA_CONTROLS
from snnvtg.energy.beside import compare_counters
from snnvtg.energy.beside.comparison import comparison_section, comparison_table
from snnvtg.energy.costs import COST_MODELS, find
from snnvtg.energy.measured import measured_section
from snnvtg.energy.report import EnergyReport, report_of
from snnvtg.energy.report_subject import Subject, own_timesteps, read_at, subject_from
from snnvtg.energy.report_trade import retrained, trade_table
from snnvtg.energy.twin_counts import accuracies
from snnvtg.errors import InputError
from snnvtg.metrics.intervals import bootstrap_interval
from snnvtg.models import DEFAULT_MODEL, GroundingModel, model_class
from snnvtg.models.controls import SPIKE_CONTROLS
from snnvtg.plots.energy_report import energy_figures
from snnvtg.reporting import provenance, save_both, write_csv, write_json, write_text
from snnvtg.sweeps.checks import check_device, check_figure
from snnvtg.sweeps.controls import under_control
from snnvtg.sweeps.runs import trained
from snnvtg.terminal import page_text
from snnvtg.training import Checkpoint, evaluate, train
from snnvtg.training.evaluation import evaluation_of

if TYPE_CHECKING:
    from snnvtg.cli.energy_report import Options


def report_on(options: "Options") -> None:
    """Count, price, draw, write."""
    check_device(options.device)
    models = dict(COST_MODELS) | {model.name: model for model in map(find, options.cost_models)}
    subject, report, details = (of_network if options.network else of_checkpoint)(options)
    report = replace(report, models=models)
    tables = report.tables()
    text = report.page(tables)
    if options.beside:
        compared, left_out = compare_counters(subject.network, subject.inputs, subject.run, spiking=subject.spiking)
        text += "\n" + comparison_section(compared, left_out)
        tables["beside"] = comparison_table(compared)
    if options.measure:
        text += "\n" + measured(subject, options, tables["models"], report.own)
    trade, metric = None, ""
    if report.accuracy is not None:
        metric = report.metric
        trade = trade_table(tables["models"], report.accuracy, metric, options.sweep)
    where = f"{report.network} on {report.inputs}"
    details |= {"subject": where, "num_timesteps": report.own}
    figures = energy_figures(tables, report.own, where, details.get("queries"), trade, metric)
    for name, figure in figures.items():
        save_both(figure, options.out / f"{name}.png")
    for name, table in tables.items():
        write_csv(table, options.out / f"{name}.csv")
    write_text(text, options.out / "report.md")
    write_text(report.latex(tables), options.out / "tables.tex")
    details["coverage"] = report.counts[report.own].spiking.coverage
    write_json(provenance(**details), options.out / "provenance.json")
    print(page_text(text, str(options.out / "report.md")))
    kinds = f"{len(tables)} CSV tables, {len(figures)} figures"
    print(f"wrote {options.out}/report.md, tables.tex, provenance.json, {kinds}")


def of_network(options: "Options") -> tuple[Subject, EnergyReport, dict[str, Any]]:
    """The report of a network from a file of the user's."""
    if options.checkpoint is not None or options.data is not None:
        raise InputError("--network brings its own inputs: expected neither --checkpoint nor --data")
    subject = subject_from(options.network, options.queries, options.batch_size, options.spiking)
    subject.network.to(options.device)
    counts = dict(subject.count_at(options.timesteps))
    own = own_timesteps(subject.network) or next(iter(counts))
    return subject, report_of(subject.name, subject.where, counts, own), {"queries": len(subject.inputs)}


def of_checkpoint(options: "Options") -> tuple[Subject, EnergyReport, dict[str, Any]]:
    """The report of a trained model on a split, with its accuracy at each T and its twins'."""
    data, checkpoint = prepared(options)
    model, split = checkpoint.build().to(options.device), getattr(data, options.split)
    metric = options.metric or evaluation_of(model, split).select_on
    check_figure(metric, "--metric", model, data)
    if options.sweep is not None:
        retrained(options.sweep, metric)  # a fault in it is said before anything is counted
    counted = split.subset(range(min(options.queries or len(split), len(split))))
    inputs = [batch.to(options.device) for batch in counted.batches(1)]
    subject = Subject(type(model).__name__, model, inputs, f"{data.name}, {options.split} split")
    counts, rows, figures = {}, [], {}
    for step, found in subject.count_at(options.timesteps):
        counts[step] = found
        figures[step], bounds = scored(model, split, step, options, metric)
        rows.append({"num_timesteps": step, "firing_rate": found.rates.firing_rate, **figures[step], **bounds})
    own = own_timesteps(model) or next(iter(counts))

    def score(network: torch.nn.Module) -> float:
        return evaluate(network, split, device=options.device)[0][metric]

    training = TwinTraining(checkpoint, data, options.device) if options.train_twins else None
    twins = accuracies(model, counts[own], score, train=training)
    found = {"accuracy": pd.DataFrame(rows), "twins": twins, "metric": metric}
    seed = checkpoint.progress.get("seed", 0)
    found["controls"] = under_controls(model, split, figures[own], seed, options.device)
    report = report_of(subject.name, subject.where, counts, own, **found)
    details = {"data": data.name, "checksum": data.checksum, "split": options.split, "queries": len(counted)}
    config = {"model": checkpoint.recipe.model, "training": checkpoint.recipe.training}
    return subject, report, {**details, "config": config}


@dataclass(frozen=True)
class TwinTraining:
    """Trains a twin as the checkpoint's model was trained: its recipe, its seed, this data."""

    checkpoint: Checkpoint
    data: DataSplits
    device: str

    def __call__(self, twin_of: Callable[[torch.nn.Module], torch.nn.Module]) -> torch.nn.Module:
        """`twin_of(a new model)`, trained; the best epoch."""
        recipe = self.checkpoint.recipe

        def make(*settings: Any) -> torch.nn.Module:
            return twin_of(recipe.model_class(*settings))

        seed = self.checkpoint.progress.get("seed", 0)
        made = train(replace(recipe, model_class=make), self.data, seed=seed, device=self.device, quiet=True)
        return made.build().to(self.device)


def scored(
    model: torch.nn.Module, split: GroundingDataset, step: int, options: "Options", metric: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Accuracy in percent on the whole split, read out at `step` where the model can be.

    And, where single queries have the `metric`, METRIC_low and METRIC_high: 95 % by resampling videos.
    """
    with nullcontext() if own_timesteps(model) is None else read_at(model, step):
        figures, answers = evaluate(model, split, device=options.device)
    values = evaluation_of(model, split).per_query(answers, split.queries)
    if metric not in values:
        return figures, {}
    found = bootstrap_interval(values[metric], [query.vid for query in split.queries])
    return figures, {f"{metric}_low": 100 * found.low, f"{metric}_high": 100 * found.high}


def under_controls(
    model: GroundingModel, split: GroundingDataset, figures: dict[str, float], seed: int, device: str
) -> pd.DataFrame:
    """Accuracy in percent as it is, `figures`, and under each control that the model and the split allow."""
    rows = [{"control": "none", **figures}]
    for control in (*DATA_CONTROLS, *(SPIKE_CONTROLS if model.proposing_layers() else ())):
        try:
            with under_control(model, split, control, seed) as asked:
                rows.append({"control": control, **evaluate(model, asked, device=device)[0]})
        except InputError:  # the queries of a single video have no other to be asked about
            continue
    return pd.DataFrame(rows)


def prepared(options: "Options") -> tuple[DataSplits, Checkpoint]:
    """The data and the checkpoint; without one the demo, trained if it is not there yet."""
    if options.checkpoint is None and options.data is not None:
        raise InputError("--data: give the --checkpoint trained on it (experiments/train.py makes one)")
    data = options.source.load()
    if options.checkpoint is None:
        recipe = model_class(options.model or DEFAULT_MODEL).recipe("demo")
        return data, trained(options.runs, recipe, data, seed=0, quiet=False)[0]
    checkpoint = options.trained()
    checkpoint.require(data, options.file())
    return data, checkpoint


@torch.no_grad()
def measured(subject: Subject, options: "Options", models: pd.DataFrame, own: int) -> str:
    """What this machine's meters read while it simulated the network."""
    entries = list(subject.inputs)[:20]
    estimate = models[(models["cost_model"] == "45nm_fp32") & (models["num_timesteps"] == own)]["spiking_pj"].iloc[0]
    wait = torch.cuda.synchronize if options.device.startswith("cuda") else None
    return measured_section(lambda: [subject.run(entry) for entry in entries], len(entries), estimate, wait)
