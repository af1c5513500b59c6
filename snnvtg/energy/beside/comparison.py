"""Rows of two counters, layer by layer, and what separates them."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import nn

from snnvtg.energy.account import OpRecord
from snnvtg.energy.beside import neurobench, spikingjelly
from snnvtg.energy.findings import LedgerWarning
from snnvtg.energy.ledger import Ledger
from snnvtg.energy.report_format import to_markdown
from snnvtg.energy.twins import Spiking
from snnvtg.errors import first_line

QUANTITIES = ("synops", "macs")
"""what all of the tools count: accumulates that spikes select, and MACs"""
KIND = {"synops": "ac", "macs": "mac"}
Reasons = dict[str, int]


@dataclass
class Comparison:
    """What one tool counted: `total` by quantity, `layers` by (module, quantity): reasons and operations apart.

    `ours` holds the ledger's counts by (module, quantity).
    """

    tool: str
    total: dict[str, int]
    ours: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    layers: dict[tuple[str, str], Reasons] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    def differ(self, module: str, quantity: str, reason: str, by: int) -> None:
        """Note that the tool counts `by` operations more than the ledger in this module."""
        if by:
            self.layers[module, quantity][reason] += by

    def figure(self, module: str, quantity: str) -> int:
        """What the tool counted in a module."""
        return self.ours[module, quantity] + sum(self.layers[module, quantity].values())

    def unexplained(self, quantity: str) -> int:
        """The tool's total less what its rules gave, operation by operation; 0, or the comparison is wrong."""
        modules = {module for module, of in [*self.ours, *self.layers] if of == quantity}
        return self.total[quantity] - sum(self.figure(module, quantity) for module in modules)

    def table(self, quantity: str) -> pd.DataFrame:
        """A row for each layer that either counts in, and the sum: the ledger's, the tool's, what separates them."""
        modules = list(dict.fromkeys(module for module, of in [*self.ours, *self.layers] if of == quantity))
        rows = [self._row(module or "(model)", quantity, [module]) for module in modules]
        rows = [row for row in rows if row["ledger"] or row[self.tool]]
        return pd.DataFrame([*rows, self._row("sum", quantity, modules)])

    def _row(self, title: str, quantity: str, modules: list[str]) -> dict[str, Any]:
        apart: Reasons = defaultdict(int)
        for module in modules:
            for reason, count in self.layers[module, quantity].items():
                apart[reason] += count
        words = "; ".join(f"{count:+,} {reason}" for reason, count in apart.items() if count)
        ours, theirs = (sum(of(module, quantity) for module in modules) for of in (self._own, self.figure))
        return {"layer": title, "ledger": ours, self.tool: theirs, "difference": words or "none"}

    def _own(self, module: str, quantity: str) -> int:
        return self.ours[module, quantity]


class Noted(Ledger):
    """A ledger that keeps every record apart, in order, in `notes`."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.notes: list[OpRecord] = []

    def keep(self, record: OpRecord) -> None:
        """As Ledger.keep."""
        super().keep(record)
        self.notes.append(record)


TOOLS = {spikingjelly.NAME: spikingjelly, neurobench.NAME: neurobench}


@torch.no_grad()
def compare_counters(
    model: nn.Module, inputs: Iterable[Any], run: Callable[[Any], Any], *, spiking: Spiking | None = None
) -> tuple[list[Comparison], list[str]]:
    """Comparisons over all of `inputs` with each tool that is installed, and for each that is not the reason.

    `run(entry)` calls the model. Every run starts from the same random state.
    """
    made, reasons, inputs = [], [], list(inputs)
    model.eval()
    for name, tool in TOOLS.items():
        try:
            tool.require()
        except ImportError as error:
            reasons.append(f"{name}: not installed ({error})")
            continue

        def once() -> None:
            torch.manual_seed(0)
            for entry in inputs:
                run(entry)

        try:
            comparison = Comparison(name, tool.totals(model, once))
        except Exception as error:  # whatever it raises where it cannot count this network
            reasons.append(f"{name}: cannot count this network ({type(error).__name__}: {first_line(error)})")
            continue
        ledger = Noted(model, spiking=spiking)
        quiet = warnings.catch_warnings(action="ignore", category=LedgerWarning)
        with quiet, ledger, tool.watching(model, ledger, comparison):
            once()
        for record in ledger.notes:
            for quantity, kind in KIND.items():
                comparison.ours[record.module, quantity] += record.counts.get(kind, (0, 0))[0]
        made.append(comparison)
    return made, reasons


def comparison_table(made: list[Comparison]) -> pd.DataFrame:
    """All comparisons as one table: tool, quantity, layer, ledger, figure, difference."""
    tables = [
        c.table(quantity).rename(columns={c.tool: "figure"}).assign(tool=c.tool, quantity=quantity)
        for c in made
        for quantity in QUANTITIES
    ]
    columns = ["tool", "quantity", "layer", "ledger", "figure", "difference"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def comparison_section(made: list[Comparison], reasons: list[str]) -> str:
    """A report's section: each tool's counts beside the ledger's, by layer, with what separates them."""
    lines = ["## Beside other counters", ""]
    for comparison in made:
        for quantity, title in (("synops", "synaptic operations"), ("macs", "MACs")):
            left = comparison.unexplained(quantity)
            total = comparison.total[quantity]
            lines += [f"### {comparison.tool}: {title} ({total:,} in all; not explained: {left:,})", ""]
            lines += [to_markdown(comparison.table(quantity))]
    lines += [f"Left out: {reason}." for reason in reasons]
    return "\n".join(lines).rstrip() + "\n"
