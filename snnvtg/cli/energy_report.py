"""What a network costs under every published convention, beside its dense and its quantised twin.

    python experiments/energy_report.py                       # trains the demo on synthetic data first, two minutes
    python experiments/energy_report.py --checkpoint best.pt --data FOLDER --queries 200
    python experiments/energy_report.py --checkpoint best.pt --data FOLDER --sweep reports/timestep_sweep.csv --measure
    python experiments/energy_report.py --network my_network.py:make --beside    # any network: () -> (network, inputs)

Runs queries one at a time, unpadded; a model that can be read out at another T at each of --timesteps (the same
weights). Writes into --out: report.md, tables.tex, provenance.json; models.csv (cost models × T), layers.csv,
modules.csv, operations.csv, rates.csv and for a checkpoint accuracy.csv; figures. The pareto figure shows the readouts'
accuracy, and with --sweep that of models retrained for each T. --beside sets SpikingJelly's and NeuroBench's counts
beside the ledger's, layer by layer. --measure reads this machine's energy meters.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from snnvtg.cli.command import run
from snnvtg.cli.options import DataOptions
from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.energy.beside import compare_counters
from snnvtg.energy.beside.comparison import comparison_section
from snnvtg.energy.costs import COST_MODELS, find
from snnvtg.energy.measured import measured_section
from snnvtg.energy.report import EnergyReport, report_of
from snnvtg.energy.report_subject import Subject, own_timesteps, read_at, subject_from
from snnvtg.energy.report_trade import trade_table
from snnvtg.energy.twin_counts import accuracies
from snnvtg.errors import InputError
from snnvtg.models import DEFAULT_MODEL, model_class
from snnvtg.plots.energy_report import report_figures
from snnvtg.reporting import provenance, save_figure, write_csv, write_json, write_text
from snnvtg.sweeps.checks import check_device
from snnvtg.sweeps.runs import trained
from snnvtg.training import Checkpoint, evaluate, load_checkpoint


@dataclass(frozen=True)
class Options(DataOptions):
    """Report the energy of a trained model, or of any network."""

    checkpoint: Path | None = None
    """a checkpoint of experiments/train.py; none: the demo, trained on the synthetic set (then --data is not taken)"""
    model: str | None = None
    """the class of a model from outside the package, which no checkpoint is trusted to name"""
    network: str | None = None
    """instead of a checkpoint: FILE.py:FUNCTION, which returns a network and the inputs to count it on"""
    batch_size: int = 1
    """of --network: samples in each of its inputs"""
    split: Literal["val", "test"] = "test"
    timesteps: tuple[int, ...] = (1, 2, 4, 8)
    """where a model with num_timesteps is read out, besides its own T"""
    queries: int = 100
    """queries counted, the first of the split; 0: all"""
    cost_models: tuple[str, ...] = ()
    """cost models of yours beside the known: a JSON table, or FILE.py:OBJECT"""
    metric: str = "mIoU"
    """accuracy in the pareto figure"""
    sweep: Path | None = None
    """timestep_sweep.csv, for the accuracy of models retrained for each T"""
    beside: bool = False
    """also count with SpikingJelly and NeuroBench, where they are installed, and explain every difference"""
    measure: bool = False
    """also read this machine's energy meters (NVML, RAPL)"""
    device: str = "cpu"
    out: Path = Path("reports/energy")
    runs: Path = Path("runs")


def main(options: Options) -> None:
    """Count, price, draw, write."""
    check_device(options.device)
    if min(options.timesteps, default=1) < 1:
        raise InputError(f"timesteps: expected at least 1, got {min(options.timesteps)}")
    models = dict(COST_MODELS) | {model.name: model for model in map(find, options.cost_models)}
    subject, report, details = (of_network if options.network else of_checkpoint)(options)
    report = replace(report, models=models)
    tables = report.tables()
    text = report.page(tables)
    if options.beside:
        text += "\n" + comparison_section(*compare_counters(subject.network, subject.inputs, subject.run))
    if options.measure:
        text += "\n" + measured(subject, options, tables["models"], report.own)
    trade = None
    if report.accuracy is not None:
        trade = trade_table(tables["models"], report.accuracy, options.metric, options.sweep)
    figures = report_figures(report, tables, trade, options.metric)
    for name, figure in figures.items():
        save_figure(figure, options.out / f"{name}.png")
    for name, table in tables.items():
        write_csv(table, options.out / f"{name}.csv")
    write_text(text, options.out / "report.md")
    write_text(report.latex(tables), options.out / "tables.tex")
    details["coverage"] = report.counts[report.own].spiking.coverage
    write_json(provenance(**details), options.out / "provenance.json")
    print(text)
    kinds = f"{len(tables)} CSV tables, {len(figures)} figures"
    print(f"wrote {options.out}/report.md, tables.tex, provenance.json, {kinds}")


def of_network(options: Options) -> tuple[Subject, EnergyReport, dict[str, Any]]:
    """The report of a network from a file of the user's."""
    if options.checkpoint is not None or options.data is not None:
        raise InputError("--network brings its own inputs: expected neither --checkpoint nor --data")
    subject = subject_from(options.network, options.queries, options.batch_size)
    subject.network.to(options.device)
    counts = dict(subject.count_at(options.timesteps))
    own = own_timesteps(subject.network) or next(iter(counts))
    return subject, report_of(subject.name, subject.where, counts, own), {"queries": len(subject.inputs)}


def of_checkpoint(options: Options) -> tuple[Subject, EnergyReport, dict[str, Any]]:
    """The report of a trained model on a split, with its accuracy at each T and its twins'."""
    data, checkpoint = prepared(options)
    model, split = checkpoint.build().to(options.device), getattr(data, options.split)
    counted = split.subset(range(min(options.queries or len(split), len(split))))
    inputs = [batch.to(options.device) for batch in counted.batches(1)]
    subject = Subject(type(model).__name__, model, inputs, f"{data.name}, {options.split} split")
    counts, rows = {}, []
    for step, found in subject.count_at(options.timesteps):
        counts[step] = found
        accuracy = scored(model, split, step, options)
        rows.append({"num_timesteps": step, "firing_rate": found.rates.firing_rate, **accuracy})
    own = own_timesteps(model) or next(iter(counts))
    by_twin = accuracies(model, counts[own], lambda m: evaluate(m, split, device=options.device)[0][options.metric])
    of_twins = {"metric": options.metric, **by_twin}
    table = pd.DataFrame(rows)
    report = report_of(subject.name, subject.where, counts, own, accuracy=table, twins_accuracy=of_twins)
    details = {"data": data.name, "checksum": data.checksum, "split": options.split, "queries": len(counted)}
    config = {"model": checkpoint.recipe.model, "training": checkpoint.recipe.training}
    return subject, report, {**details, "config": config}


def scored(model: torch.nn.Module, split: GroundingDataset, step: int, options: Options) -> dict[str, float]:
    """Accuracy in percent on the whole split, read out at `step` where the model can be."""
    if own_timesteps(model) is None:
        return evaluate(model, split, device=options.device)[0]
    with read_at(model, step):
        return evaluate(model, split, device=options.device)[0]


def prepared(options: Options) -> tuple[DataSplits, Checkpoint]:
    """The data and the checkpoint; without one the demo, trained if it is not there yet."""
    if options.checkpoint is None and options.data is not None:
        raise InputError("--data: give the --checkpoint trained on it (experiments/train.py makes one)")
    data = options.source.load()
    if options.checkpoint is None:
        recipe = model_class(options.model or DEFAULT_MODEL).recipe("demo")
        return data, trained(options.runs, recipe, data, seed=0, quiet=False)[0]
    checkpoint = load_checkpoint(options.checkpoint, model_class(options.model) if options.model else None)
    trained_on = (checkpoint.video_width, checkpoint.text_width)
    if trained_on != (data.video_width, data.text_width):
        raise InputError(
            f"{options.checkpoint}: trained on features of width {trained_on} (video, text), but {data.name} has "
            f"{(data.video_width, data.text_width)}; give the --data it was trained on"
        )
    return data, checkpoint


@torch.no_grad()
def measured(subject: Subject, options: Options, models: pd.DataFrame, own: int) -> str:
    """What this machine's meters read while it simulated the network."""
    entries = list(subject.inputs)[:20]
    estimate = models[(models["cost_model"] == "45nm_fp32") & (models["num_timesteps"] == own)]["spiking_pj"].iloc[0]
    wait = torch.cuda.synchronize if options.device.startswith("cuda") else None
    return measured_section(lambda: [subject.run(entry) for entry in entries], len(entries), estimate, wait)


def start() -> None:
    """Run as a command."""
    run(Options, main, __doc__)
