"""Tables of accounts: the same ledger under every cost model, by module and cause; Markdown and LaTeX of any table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from snnvtg.energy.account import Account
from snnvtg.energy.breakeven import layer_break_even, network_break_even
from snnvtg.energy.pricing import COST_MODELS, AnyModel, energy_breakdown_pj, energy_pj, find
from snnvtg.energy.rivals import quantised_twin_pj

CAUSES = {
    "MACs": ("mac",),
    "synaptic accumulates": ("ac", "synop"),
    "neurons": ("neuron_update",),
    "elementwise": ("mul", "add", "compare", "select", "logic"),
    "special functions": ("exp", "log", "trig", "erf", "div", "sqrt", "random"),
    "arithmetic": ("arithmetic", "address"),
    "memory traffic": ("input", "weights", "bias", "potential", "output", "other_traffic", "dram"),
}
"""groups of causes; the last two are those of memory models, for their products and neurons"""


def range_table(
    spiking: Account,
    twin: Account,
    detectors: tuple[str, ...],
    num_timesteps: int,
    queries: int = 1,
    models: Mapping[str, AnyModel] = COST_MODELS,
) -> pd.DataFrame:
    """A row for each cost model: pJ a query of the network, of it in silence, of its dense and quantised twins;
    the cheapest of the three; the firing rate measured and the one at which it would cost what its dense twin does.
    """
    rows = []
    for name, model in models.items():
        dense = energy_pj(twin, model)
        even = network_break_even(spiking, dense, model)
        quantised = quantised_twin_pj(twin, detectors, num_timesteps, model)
        found = {"spiking": even.spiking_pj, "dense twin": dense, "quantised twin": quantised}
        rows.append(
            {
                "cost_model": name,
                "title": find(model).title,
                "spiking_pj": even.spiking_pj / queries,
                "silent_pj": even.silent_pj / queries,
                "dense_twin_pj": dense / queries,
                "quantised_twin_pj": quantised / queries,
                "cheapest": min(found, key=found.get),
                "firing_rate": even.measured_rate,
                "break_even_rate": even.break_even_rate,
            }
        )
    return pd.DataFrame(rows)


def range_in_words(table: pd.DataFrame) -> str:
    """One sentence of a range table: lowest, highest, and under which models spiking wins."""
    low, high = table.loc[table["spiking_pj"].idxmin()], table.loc[table["spiking_pj"].idxmax()]
    wins = table.loc[table["cheapest"] == "spiking", "cost_model"]
    beats = table.loc[table["spiking_pj"] < table["dense_twin_pj"], "cost_model"]
    return (
        f"The same operations cost {low['spiking_pj'] / 1e6:.4g} uJ a query ({low['cost_model']}) to "
        f"{high['spiking_pj'] / 1e6:.4g} uJ ({high['cost_model']}), a factor of "
        f"{high['spiking_pj'] / low['spiking_pj']:.3g}. Spiking is cheaper than the dense twin under "
        f"{_names(beats)} and than both twins under {_names(wins)}."
    )


def special_functions_in_words(spiking: Account, twin: Account) -> str:
    """How the verdict hangs on a price that no source gives: exp, log, division and roots free, or twice as dear."""
    models = [model for model in COST_MODELS.values() if model.kind == "compute"]

    def cheaper(factor: float) -> str:
        priced = [replace(model, special_mul_pj=factor * model.special_mul_pj) for model in models]
        return _names([model.name for model in priced if energy_pj(spiking, model) < energy_pj(twin, model)])

    return (
        "No source prices exp, log, division or roots; here each is a few fp32 multiplications, whatever the table's "
        f"width. Were they free, spiking would be cheaper than the dense twin under {cheaper(0)}; at twice the price "
        f"under {cheaper(2)} (of the 45 nm tables)."
    )


CHIPS_IN_WORDS = (
    "The rows of chips price synaptic operations and neuron updates as their source does, everything else and the "
    "whole dense twin at 45 nm fp32: they say what a chip's price of a spike makes of the sum, not how a chip compares "
    "with a processor of its own generation. Under the memory models both twins read 32-bit words."
)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) else "none of the models"


def module_table(account: Account, model: str | AnyModel, depth: int = 1, queries: int = 1) -> pd.DataFrame:
    """pJ a query by part of the model and cause; LIF layers' own arithmetic counts as neurons. See `part_of`."""
    parts: dict[str, dict[str, float]] = {}
    for record in account.phase("forward"):
        row = parts.setdefault(part_of(record.module, depth), dict.fromkeys(CAUSES, 0.0))
        made = energy_breakdown_pj(Account([record]), model)
        for cause, kinds in CAUSES.items():
            arithmetic = cause in ("elementwise", "special functions") and record.op.startswith("lif")
            row["neurons" if arithmetic else cause] += sum(made.get(kind, 0.0) for kind in kinds) / queries
    table = pd.DataFrame([{"part": part, **row, "total": sum(row.values())} for part, row in parts.items()])
    used = [cause for cause in CAUSES if table[cause].any()]
    return table[["part", *used, "total"]].sort_values("total", ascending=False, ignore_index=True)


def part_of(path: str, depth: int = 1) -> str:
    """The part of a model that a module path belongs to: its first `depth` names.

    A list of modules and its numbers are one name more: `blocks.0.ssd.q_proj` at depth 1 is `blocks.ssd`.
    """
    names = path.split(".")
    listed = len(names) > 1 and names[1].isdigit()
    kept = [name for name in names if not name.isdigit()][: depth + listed]
    return ".".join(kept) or "(model)"


def layer_table(models: Iterable[str], steps: Iterable[int]) -> pd.DataFrame:
    """Break-even rates of one fully connected layer, 256 → 256, a row for each cost model and T."""
    steps = tuple(steps)
    return pd.DataFrame(
        [
            {"title": find(name).title, "num_timesteps": step, "break_even_rate": layer_break_even(name, step)}
            for name in models
            for step in steps
        ]
    )


def operations_table(account: Account, queries: int = 1) -> pd.DataFrame:
    """A row for each operation and kind, summed over modules: executions, effective and dense counts a query."""
    table = account.table()
    table = table[table["phase"] == "forward"]
    summed = table.groupby(["op", "kind"], sort=False)[["calls", "effective", "dense"]].sum() / queries
    return summed.reset_index()


def to_markdown(table: pd.DataFrame, digits: int = 4) -> str:
    """A GitHub table; numbers to `digits` significant digits."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(_cell(value, digits) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def to_latex(table: pd.DataFrame, caption: str, label: str, digits: int = 4) -> str:
    """A booktabs table; numbers to `digits` significant digits, special characters escaped."""
    columns = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in table.dtypes)
    head = " & ".join(_tex(str(name)) for name in table.columns) + r" \\"
    body = [" & ".join(_tex(_cell(v, digits)) for v in row) + r" \\" for row in table.itertuples(index=False)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(caption)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "never reached" if value == float("inf") else f"{value:.{digits}g}"
    return str(value)


_ESCAPES = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"})


def _tex(text: str) -> str:
    return text.translate(_ESCAPES)
