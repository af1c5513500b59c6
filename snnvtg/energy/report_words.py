"""What the tables say, in sentences."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from snnvtg.energy.account import Account
from snnvtg.energy.breakeven import firing_rate, tied
from snnvtg.energy.costs import COST_MODELS, ComputeModel, CostModel
from snnvtg.energy.report_format import cell
from snnvtg.energy.twin_counts import TwinCounts


def range_in_words(table: pd.DataFrame) -> str:
    """A range table: lowest, highest, and under which models spiking wins or ties."""
    low, high = table.loc[table["spiking_pj"].idxmin()], table.loc[table["spiking_pj"].idxmax()]
    wins = table.loc[table["cheapest"] == "spiking", "cost_model"]
    ties = table.apply(lambda row: tied(row["spiking_pj"], row["dense_twin_pj"]), axis=1)
    beats = table.loc[(table["spiking_pj"] < table["dense_twin_pj"]) & ~ties, "cost_model"]
    words = (
        f"The same operations cost {cell(low['spiking_pj'] / 1e6)} µJ per query ({low['cost_model']}) to "
        f"{cell(high['spiking_pj'] / 1e6)} µJ ({high['cost_model']}), a factor of "
        f"{cell(high['spiking_pj'] / low['spiking_pj'], 3)}. Spiking is cheaper than the dense twin under "
        f"{_names(beats)} and than both twins under {_names(wins)}."
    )
    return f"{words} The two tie under {_names(table.loc[ties, 'cost_model'])}." if ties.any() else words


def steps_in_words(table: pd.DataFrame, models: Sequence[str] = ("45nm_fp32", "45nm_int8")) -> str:
    """Range tables of several T (column num_timesteps): at which T spiking costs less than its dense twin."""
    sentences = []
    for name in models:
        rows = table[table["cost_model"] == name].sort_values("num_timesteps")
        wins = [row for row in rows.itertuples() if row.spiking_pj < row.dense_twin_pj]
        if wins:
            figures = ", ".join(f"{cell(row.spiking_pj / 1e6, 3)} at T = {row.num_timesteps}" for row in wins)
            against = cell(wins[0].dense_twin_pj / 1e6, 3)
            sentences.append(f"Under {name} spiking is cheaper than the dense twin: {figures} µJ against {against}.")
        else:
            sentences.append(f"Under {name} the dense twin is cheaper at every T read out.")
    return " ".join(sentences)


def accumulates_in_words(counts: TwinCounts, model: CostModel) -> str:
    """The share of the energy that spikes make directly, accumulates and neurons."""
    parts = model.breakdown_pj(counts.spiking)
    total, neurons = sum(parts.values()), [r for r in counts.spiking.phase("forward") if r.is_neuron]
    updates = model.energy_pj(Account(neurons))
    if not total or not neurons:
        return ""
    return (
        f"At {model.title}, synaptic accumulates are {cell(100 * parts.get('ac', 0.0) / total, 2)} % of the energy, "
        f"neuron updates {cell(100 * updates / total, 2)} %; the mean firing rate is {firing_rate(counts.spiking):.1%}."
    )


def recomputed_in_words(counts: TwinCounts, model: CostModel) -> str:
    """What the network computes anew at every step though its input is the same, and what that costs it."""
    records = [record for record in counts.spiking.phase("forward") if _within(record.module, counts.recomputed)]
    spent = model.energy_pj(Account(records)) / counts.queries
    if not spent:
        return ""
    names = ", ".join(sorted(name or "(model)" for name in counts.recomputed))
    steps = counts.num_timesteps
    return (
        f"Computed at each of {steps} steps from the same input, as the network is written: {names}. That is "
        f"{cell(spent / 1e6)} µJ at {model.title}, of which {cell(spent * (1 - 1 / steps) / 1e6)} µJ would be saved by "
        "computing it once, as the dense twin does."
    )


def _within(module: str, names: Collection[str]) -> bool:
    return any(name in ("", module) or module.startswith(f"{name}.") for name in names)


def special_functions_in_words(spiking: Account, twin: Account) -> str:
    """How the verdict hangs on a price that no source gives: exp, log, division and roots free, or twice as dear."""
    models = [model for model in COST_MODELS.values() if isinstance(model, ComputeModel)]

    def cheaper(factor: float) -> str:
        priced = [replace(model, special_mul_pj=factor * model.special_mul_pj) for model in models]
        return _names([model.name for model in priced if model.energy_pj(spiking) < model.energy_pj(twin)])

    return (
        "No source prices exp, log, division or roots; here each is a few fp32 multiplications, whatever the table's "
        f"width. Were they free, spiking would be cheaper than the dense twin under {cheaper(0)}; at twice the price "
        f"under {cheaper(2)} (of the 45 nm tables)."
    )


CHIPS_IN_WORDS = (
    "The rows of chips price synaptic operations and neuron updates as their source does, everything else and the "
    "whole dense twin at 45 nm fp32: they say what a chip's price of a spike makes of the sum, not how a chip compares "
    "with a processor of its own generation. The quantised twin has b-bit weights and activations, in memory too, "
    "where the spiking network has spikes or a module brings its own twin; the dense twin has 32-bit words throughout."
)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) else "none of the models"


def twins_in_words(twins: Mapping[str, Mapping[str, float]]) -> str:
    """How the twins came by their weights."""
    converted = "Converted twins have the network's own weights, which were trained for spikes."
    if all("trained" in found for found in twins.values()):
        return f"{converted} Trained ones had the network's recipe and seed from the start."
    return f"{converted} --train-twins trains them."
