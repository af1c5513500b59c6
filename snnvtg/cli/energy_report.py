"""What a trained model costs under every published convention, beside its dense and its quantised twin.

    python experiments/energy_report.py                       # trains the demo on synthetic data first, two minutes
    python experiments/energy_report.py --checkpoint best.pt --data FOLDER --queries 200
    python experiments/energy_report.py --checkpoint best.pt --data FOLDER --sweep reports/timestep_sweep.csv --measure

Runs queries one at a time, unpadded, at each of --timesteps (the same weights read out at other T). Writes into --out:
report.md, tables.tex, provenance.json; models.csv (cost models × T), modules.csv, operations.csv, rates.csv and
accuracy.csv; breakdown.png, range.png, timesteps.png, pareto.png, break_even.png. The pareto figure shows the readouts'
accuracy, and with --sweep that of models retrained for each T. --measure reads this machine's energy meters.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch

from snnvtg.cli.command import run
from snnvtg.cli.options import DataOptions
from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.energy import COST_MODELS
from snnvtg.energy.breakeven import LITERATURE
from snnvtg.energy.measured import measure, meters
from snnvtg.energy.readout import Readout, read_out
from snnvtg.energy.report import (
    CHIPS_IN_WORDS,
    layer_table,
    module_table,
    operations_table,
    range_in_words,
    range_table,
    special_functions_in_words,
    to_latex,
    to_markdown,
)
from snnvtg.errors import InputError
from snnvtg.models import DEFAULT_MODEL, model_class
from snnvtg.plots.energy import break_even_figure, breakdown_figure, pareto_figure, range_figure, timestep_figure
from snnvtg.reporting import provenance, save_figure, write_csv, write_json, write_text
from snnvtg.sweeps.checks import check_device
from snnvtg.sweeps.runs import trained
from snnvtg.training import Checkpoint, evaluate, load_checkpoint

SHOWN = ("45nm_fp32", "45nm_int8", "memory_lemaire_new_sram", "loihi_seneca")
LAYER_MODELS = (
    "45nm_fp32",
    "45nm_int8",
    "memory_lemaire_old_sram",
    "memory_lemaire_new_sram",
    "loihi_seneca",
    "seneca",
)


@dataclass(frozen=True)
class Options(DataOptions):
    """Report the energy of a trained SpikeMba."""

    checkpoint: Path | None = None
    """a checkpoint of experiments/train.py; none: the demo, trained on the synthetic set (then --data is not taken)"""
    split: Literal["val", "test"] = "test"
    timesteps: tuple[int, ...] = ()
    """where the model is read out; default 1, 2, 4, 8 and the T it was trained with"""
    queries: int = 100
    """queries counted, the first of the split; 0: all"""
    metric: Literal["R1@0.3", "R1@0.5", "R1@0.7", "mIoU"] = "mIoU"
    sweep: Path | None = None
    """timestep_sweep.csv, for the accuracy of models retrained for each T"""
    measure: bool = False
    """also read this machine's energy meters (NVML, RAPL)"""
    device: str = "cpu"
    out: Path = Path("reports/energy")
    runs: Path = Path("runs")


def main(options: Options) -> None:
    """Count, price, draw, write."""
    check_device(options.device)
    data, checkpoint = prepared(options)
    model, split = checkpoint.build().to(options.device), getattr(data, options.split)
    own = model.num_timesteps
    steps = sorted({*(options.timesteps or (1, 2, 4, 8)), own})
    if min(steps) < 1:
        raise InputError(f"timesteps: expected at least 1, got {min(steps)}")
    counted = split.subset(range(min(options.queries or len(split), len(split))))
    readouts, accuracies = {}, []
    for step in steps:
        model.num_timesteps = step
        readouts[step] = read_out(model, (batch.to(options.device) for batch in counted.batches(1)))
        found = evaluate(model, split, device=options.device)[0]
        accuracies.append({"num_timesteps": step, "firing_rate": readouts[step].rates.firing_rate, **found})
    model.num_timesteps = own
    accuracy = pd.DataFrame(accuracies)
    tables = all_tables(readouts, own)
    text = report(tables, readouts[own], accuracy, options, data, len(counted), own)
    if options.measure:
        text += measured(model, counted, options, tables["models"], own)
    draw(options, tables, accuracy, own, data)
    for name, table in {**tables, "accuracy": accuracy}.items():
        write_csv(table, options.out / f"{name}.csv")
    write_text(text, options.out / "report.md")
    write_text(latex(tables, own, data.name), options.out / "tables.tex")
    details = {"data": data.name, "checksum": data.checksum, "split": options.split, "queries": len(counted)}
    config = {"model": checkpoint.recipe.model, "training": checkpoint.recipe.training}
    write_json(
        provenance(**details, config=config, coverage=readouts[own].spiking.coverage), options.out / "provenance.json"
    )
    print(text)
    print(f"wrote {options.out}/report.md, tables.tex, five CSV tables, five figures and provenance.json")


def prepared(options: Options) -> tuple[DataSplits, Checkpoint]:
    """The data and the checkpoint; without one the demo, trained if it is not there yet."""
    if options.checkpoint is None and options.data is not None:
        raise InputError("--data: give the --checkpoint trained on it (experiments/train.py makes one)")
    data = options.source.load()
    if options.checkpoint is not None:
        checkpoint = load_checkpoint(options.checkpoint)
        trained_on = (checkpoint.video_width, checkpoint.text_width)
        if trained_on != (data.video_width, data.text_width):
            raise InputError(
                f"{options.checkpoint}: trained on features of width {trained_on} (video, text), but {data.name} has "
                f"{(data.video_width, data.text_width)}; give the --data it was trained on"
            )
        return data, checkpoint
    return data, trained(options.runs, model_class(DEFAULT_MODEL).recipe("demo"), data, seed=0, quiet=False)[0]


def all_tables(readouts: dict[int, Readout], own: int) -> dict[str, pd.DataFrame]:
    """The range table at every T, and at the model's own T where it goes, what was done, and the firing rates."""
    ranges = []
    for step, found in readouts.items():
        table = range_table(found.spiking, found.twin, found.detectors, step, found.queries)
        ranges.append(table.assign(num_timesteps=step))
    found = readouts[own]
    parts = [module_table(found.spiking, name, queries=found.queries).assign(cost_model=name) for name in COST_MODELS]
    return {
        "models": pd.concat(ranges, ignore_index=True),
        "modules": pd.concat(parts, ignore_index=True).fillna(0.0),
        "operations": operations_table(found.spiking, found.queries),
        "rates": found.rates.table(),
    }


def report(tables, found: Readout, accuracy, options: Options, data: DataSplits, queries: int, own: int) -> str:
    """The report in Markdown: words first, then the tables."""
    at_own = tables["models"][tables["models"]["num_timesteps"] == own].drop(columns=["title", "num_timesteps"])
    parts = tables["modules"][tables["modules"]["cost_model"] == "45nm_fp32"].drop(columns="cost_model")
    used = [name for name in parts if name == "part" or parts[name].any()]
    unpriced = found.spiking.unpriced or "none"
    return "\n".join(
        [
            f"# Energy of SpikeMba on {data.name}, {options.split} split",
            "",
            f"{queries} queries, one at a time, unpadded; T = {own}. The ledger priced {found.spiking.coverage:.2%} of "
            f"the executed operations (not priced: {unpriced}). Estimates, not measurements.",
            "",
            range_in_words(at_own),
            "",
            "## One ledger, every cost model (pJ a query)",
            "",
            to_markdown(at_own),
            "`silent_pj`: the same network if no neuron fired. `break_even_rate`: firing rate at which it would cost "
            "what its dense twin does; 0: dearer even in silence.",
            "",
            special_functions_in_words(found.spiking, found.twin),
            "",
            CHIPS_IN_WORDS,
            "",
            "## Where it goes at 45 nm, fp32 (pJ a query)",
            "",
            to_markdown(parts[used]),
            "## What was done (a query)",
            "",
            to_markdown(tables["operations"]),
            "## Firing rates",
            "",
            to_markdown(tables["rates"]),
            "## Read out at other T (the same weights; accuracy in percent on the whole split)",
            "",
            to_markdown(accuracy),
        ]
    )


def no_meter(reasons: list[str]) -> str:
    """One line that says why nothing was measured."""
    return f"No energy meter: {'; '.join(reasons)}."


def measured(model, counted: GroundingDataset, options: Options, table: pd.DataFrame, own: int) -> str:
    """What this machine's meters read while it simulated the network, or why there is no meter."""
    found, reasons = meters()
    lines = ["\n## Measured on this machine (the dense simulation, not a neuromorphic chip)\n"]
    if not found:
        return "\n".join([*lines, no_meter(reasons), ""])
    batches = [batch.to(options.device) for batch in counted.batches(1)][:20]

    @torch.no_grad()
    def work() -> None:
        for batch in batches:
            model(batch)

    wait = torch.cuda.synchronize if options.device.startswith("cuda") else None
    rows = []
    for meter in found:
        reading = measure(work, meter, synchronise=wait)
        per_query = {"all it saw": reading.per_call_pj, "above idle": reading.above_idle_pj}
        rows.append({"meter": meter.name, **{name: value / len(batches) for name, value in per_query.items()}})
    estimate = table[(table["cost_model"] == "45nm_fp32") & (table["num_timesteps"] == own)]["spiking_pj"].iloc[0]
    lines += [to_markdown(pd.DataFrame(rows)), f"In pJ a query; the 45 nm fp32 estimate is {estimate:.4g}.", ""]
    return "\n".join(lines + [f"Not read: {reason}." for reason in reasons])


def draw(options: Options, tables, accuracy: pd.DataFrame, own: int, data: DataSplits) -> None:
    """The five figures."""
    models, modules = tables["models"], tables["modules"]
    at_own = models[models["num_timesteps"] == own]
    layer = layer_table(LAYER_MODELS, (1, 2, 4, 5, 8, 16))
    parts = {
        COST_MODELS[name].title: modules[modules["cost_model"] == name].loc[:, lambda t: t.any()]
        for name in (SHOWN[0], SHOWN[2])
    }
    title = f"SpikeMba on {data.name}, T = {own}"
    figures = {
        "breakdown": breakdown_figure(parts),
        "range": range_figure(at_own, f"One ledger, every convention: {title}"),
        "timesteps": timestep_figure(models, SHOWN),
        "pareto": pareto_figure(
            trade(options, models, accuracy), options.metric, f"{data.name}, {options.split} split"
        ),
        "break_even": break_even_figure(at_own.reset_index(drop=True), layer, LITERATURE, own),
    }
    for name, figure in figures.items():
        save_figure(figure, options.out / f"{name}.png")


def trade(options: Options, models: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against energy at 45 nm fp32: the readouts, and the retrained models of a sweep where one is given."""
    spiking = models[models["cost_model"] == "45nm_fp32"].merge(accuracy, on="num_timesteps")
    rows = pd.DataFrame(
        {
            "series": "one model read out at T",
            "energy_pj": spiking["spiking_pj"],
            options.metric: spiking[options.metric],
            "label": [f"T={step}" for step in spiking["num_timesteps"]],
        }
    )
    if options.sweep is None:
        return rows
    try:
        sweep = pd.read_csv(options.sweep)
        means = (
            sweep[sweep["model"] == DEFAULT_MODEL]
            .groupby(["slots", "num_timesteps"])[["energy_pj", options.metric]]
            .mean()
        )
    except (OSError, KeyError, pd.errors.ParserError) as error:
        raise InputError(f"{options.sweep}: expected the CSV of experiments/timestep_sweep.py ({error})") from None
    retrained = means.reset_index().assign(
        series=lambda t: "retrained at T, " + t["slots"] + " slots",
        label=lambda t: "T=" + t["num_timesteps"].astype(str),
    )
    return pd.concat([rows, retrained[rows.columns]], ignore_index=True)


def latex(tables: dict[str, pd.DataFrame], own: int, data: str) -> str:
    """The range and module tables for a paper."""
    at_own = tables["models"][tables["models"]["num_timesteps"] == own]
    columns = ["title", "spiking_pj", "dense_twin_pj", "quantised_twin_pj", "cheapest", "break_even_rate"]
    parts = tables["modules"][tables["modules"]["cost_model"] == "45nm_fp32"].drop(columns="cost_model")
    return to_latex(
        at_own[columns], f"Energy of SpikeMba on {data} in pJ a query, T = {own}.", "tab:energy-models"
    ) + to_latex(parts.loc[:, parts.any()], "Where it goes at 45 nm, fp32, in pJ a query.", "tab:energy-parts")


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
