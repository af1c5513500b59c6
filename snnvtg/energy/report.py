"""The energy report of any network: its tables, and the page that shows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from snnvtg.energy.costs import COST_MODELS, CostModel
from snnvtg.energy.report_format import readable, to_latex, to_markdown
from snnvtg.energy.report_tables import (
    layers_table,
    module_table,
    operations_table,
    published_table,
    range_table,
    twins_table,
)
from snnvtg.energy.report_words import (
    CHIPS_IN_WORDS,
    accumulates_in_words,
    range_in_words,
    recomputed_in_words,
    special_functions_in_words,
    steps_in_words,
    twins_in_words,
)
from snnvtg.energy.twin_counts import TwinCounts

SHOWN = "45nm_fp32"
"""the cost model that layers and modules are shown under"""
LAYER_MODELS = (
    "45nm_fp32",
    "45nm_int8",
    "memory_lemaire_old_sram",
    "memory_lemaire_new_sram",
    "loihi_seneca",
    "seneca",
)
"""cost models that the break-even of a single layer is shown under"""


@dataclass(frozen=True)
class EnergyReport:
    """`counts` of a network by T, `own` the T it is used at; `accuracy`: one row for each T where it was measured.

    `controls`: accuracy as it is, and with something withheld from the network, one row each, by the column control.
    `twins`: `metric` in percent of the network and its twins, as `twin_counts.accuracies` gives it.
    """

    network: str
    inputs: str
    counts: Mapping[int, TwinCounts]
    own: int
    models: Mapping[str, CostModel]
    accuracy: pd.DataFrame | None = None
    controls: pd.DataFrame | None = None
    twins: Mapping[str, Mapping[str, float]] | None = None
    metric: str = ""

    def tables(self) -> dict[str, pd.DataFrame]:
        """`models` (a range table for each T) and, at its own T, `layers`, `modules`, `operations` and `rates`."""
        found = self.counts[self.own]
        ranges = [range_table(c, self.models).assign(num_timesteps=step) for step, c in self.counts.items()]
        parts = [
            module_table(found.spiking, model, queries=found.queries).assign(cost_model=name)
            for name, model in self.models.items()
        ]
        made = {
            "models": pd.concat(ranges, ignore_index=True),
            "layers": layers_table(found),
            "modules": pd.concat(parts, ignore_index=True).fillna(0.0),
            "operations": operations_table(found.spiking, found.queries),
            "rates": found.rates.table(),
        }
        if self.accuracy is not None:
            made["accuracy"] = self.accuracy
        if self.controls is not None:
            made["controls"] = self.controls
        if self.twins is not None:
            made["twins"] = twins_table(self.twins, self.metric, made["models"], self.own, SHOWN)
        return made

    def page(self, tables: Mapping[str, pd.DataFrame]) -> str:
        """The report in Markdown: words first, then the tables."""
        found, models = self.counts[self.own], tables["models"]
        at_own = models[models["num_timesteps"] == self.own].drop(columns=["title", "num_timesteps"])
        parts = tables["modules"][tables["modules"]["cost_model"] == SHOWN]
        parts = parts.drop(columns="cost_model")
        used = [name for name in parts if name == "part" or parts[name].any()]
        shares = parts[used].rename(columns={name: f"{name}_pj" for name in used if name != "part"})
        sections = [
            f"# Energy of {self.network} on {self.inputs}",
            f"{found.queries} queries, one at a time, unpadded; T = {self.own}. The ledger priced "
            f"{found.spiking.coverage:.2%} of the executed operations "
            f"(not priced: {found.spiking.unpriced or 'none'}). "
            "Estimates, not measurements.",
            range_in_words(at_own),
            *filter(None, [say(found, self.models[SHOWN]) for say in (accumulates_in_words, recomputed_in_words)]),
            "## One ledger, every cost model (per query)",
            to_markdown(readable(at_own)),
            "Silent: the same network if no neuron fired. Break-even rate: the firing rate at which it would cost what "
            "its dense twin does, or its quantised twin; 0: dearer even in silence.",
            special_functions_in_words(found.spiking, found.dense),
            CHIPS_IN_WORDS,
            "## Break-even beside published figures",
            to_markdown(published_table(LAYER_MODELS).rename(columns={"num_timesteps": "T"})),
            "One fully connected layer, 256 → 256, at the T of the source: spikes per neuron and step below which it "
            "beats the rival the source compares with, under each cost model. Here the layer's weights have 32 bits, "
            "its quantised rival's ⌈log2(T + 1)⌉; the sources price hardware of their own.",
            "## Layer by layer (per query; energy at 45 nm, fp32)",
            to_markdown(readable(tables["layers"])),
            f"## Where it goes at {self.models[SHOWN].title} (per query)",
            to_markdown(readable(shares)),
            "## What was done (per query)",
            to_markdown(readable(tables["operations"])),
        ]
        return "\n\n".join(section.rstrip("\n") for section in [*sections, *self._more(tables)]) + "\n"

    def _more(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        sections = []
        if len(tables["rates"]):
            sections += ["## Firing rates", to_markdown(readable(tables["rates"]))]
        if len(self.counts) > 1:
            sections += ["## Read out at other T (the same weights)", steps_in_words(tables["models"])]
        if self.accuracy is not None:
            sections += ["Accuracy in percent on the whole split:", to_markdown(readable(self.accuracy))]
        if self.controls is not None:
            sections += [
                f"## What it answers where something is withheld (T = {self.own}, percent on the whole split)",
                to_markdown(readable(self.controls)),
                controls_in_words(self.controls["control"]),
            ]
        if self.twins is not None:
            title = f"## Energy beside accuracy at T = {self.own} ({self.metric} in percent; energy per query)"
            sections += [title, to_markdown(readable(tables["twins"])), twins_in_words(self.twins)]
        return sections

    def latex(self, tables: Mapping[str, pd.DataFrame]) -> str:
        """The range and module tables for a paper."""
        at_own = tables["models"][tables["models"]["num_timesteps"] == self.own]
        columns = ["title", "spiking_pj", "dense_twin_pj", "quantised_twin_pj", "cheapest", "break_even_rate"]
        parts = tables["modules"][tables["modules"]["cost_model"] == SHOWN].drop(columns="cost_model")
        parts = parts.loc[:, parts.any()].rename(columns=lambda name: name if name == "part" else f"{name}_pj")
        caption = f"Energy of {self.network} on {self.inputs} per query, T = {self.own}."
        return to_latex(readable(at_own[columns]), caption, "tab:energy-models") + to_latex(
            readable(parts), f"Where it goes at {self.models[SHOWN].title}, per query.", "tab:energy-parts"
        )


WITHHELD = {
    "shuffled-query": "the words",
    "other-video": "the video",
    "shuffled-clips": "the order of the clips",
    "constant-video": "what differs between clips",
    "permuted-spikes": "where the spikes are",
    "silent-spikes": "the spikes",
}
"""what a control takes from the model"""


def controls_in_words(controls: Iterable[str]) -> str:
    """What the rows of these controls say."""
    said = ", ".join(f"{WITHHELD[name]} ({name})" for name in controls if name in WITHHELD)
    return (
        f"What is left owes nothing to what was withheld: {said}. Where little is lost, the energy above is that of a "
        "network which does not look."
    )


def report_of(network: str, inputs: str, counts: Mapping[int, TwinCounts], own: int, **more: object) -> EnergyReport:
    """A report under every registered cost model."""
    return EnergyReport(network, inputs, counts, own, dict(COST_MODELS), **more)
