"""Tables of accounts: the same ledger under every cost model, by layer, module and cause, beside published points."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.breakeven import LITERATURE, layer_break_even, network_break_even, tied
from snnvtg.energy.costs import COST_MODELS, CostModel, energy_breakdown_pj, find
from snnvtg.energy.twin_counts import TwinCounts
from snnvtg.energy.twins import quantised_twin_pj

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
OTHER_CAUSES = "other causes"
"""where the energy of a cause goes that is in no group: a cost model may have its own"""


def range_table(counts: TwinCounts, models: Mapping[str, CostModel] = COST_MODELS) -> pd.DataFrame:
    """A row for each cost model: pJ per query of the network, of it in silence, of its dense and quantised twins;
    the cheapest of the three, or all that tie; the firing rate measured and those at which it would cost what either
    twin does.
    """
    rows = []
    for name, model in models.items():
        dense = model.energy_pj(counts.dense)
        quantised = quantised_twin_pj(counts.dense, counts.parts, counts.num_timesteps, model)
        even = network_break_even(counts.spiking, dense, model)
        found = {"spiking": even.spiking_pj, "dense twin": dense, "quantised twin": quantised}
        least = min(found.values())
        rows.append(
            {
                "cost_model": name,
                "title": model.title,
                "spiking_pj": even.spiking_pj / counts.queries,
                "silent_pj": even.silent_pj / counts.queries,
                "dense_twin_pj": dense / counts.queries,
                "quantised_twin_pj": quantised / counts.queries,
                "cheapest": " = ".join(who for who, energy in found.items() if tied(energy, least)),
                "firing_rate": even.measured_rate,
                "break_even_rate": even.break_even_rate,
                "break_even_quantised_rate": network_break_even(counts.spiking, quantised, model).break_even_rate,
            }
        )
    return pd.DataFrame(rows)


def layers_table(counts: TwinCounts, model: str | CostModel = "45nm_fp32") -> pd.DataFrame:
    """A row for each layer of neurons and each product, in order of execution; the rest of a network as one row.

    `firing_rate`: of a product the share of its input's entries that are spikes, of neurons their spikes per neuron and
    step. `driven_by` says whose spikes they are, or since which operation the input is dense. Counts, bytes and pJ (of
    `model`) per query; `moved_bytes` are activations and states read and written.
    """
    cost, queries, rows, rest = find(model), counts.queries, {}, []
    for record in counts.spiking.phase("forward"):
        if not record.is_neuron and not {"ac", "mac"} & set(record.counts):
            rest.append(record)
            continue
        rows.setdefault((record.module, record.op, _driven_by(record)), []).append(record)
    made = [
        {**_layer(key, found, cost, queries), "num_timesteps": _steps(found, counts)} for key, found in rows.items()
    ]
    if rest:
        made.append(_layer(("everything else", "", ""), rest, cost, queries))
    return pd.DataFrame(made)


def _steps(records: Sequence[OpRecord], counts: TwinCounts) -> int:
    """T of a layer: on an axis, or by a loop that calls it T times per query."""
    on_axis, calls = max(record.num_timesteps for record in records), sum(record.calls for record in records)
    looped = on_axis == 1 and calls // counts.queries % counts.num_timesteps == 0
    return counts.num_timesteps if looped else on_axis


def _driven_by(record: OpRecord) -> str:
    if record.is_neuron:
        return ""
    if "ac" in record.counts:
        return f"spikes of {record.driven_by}" if record.driven_by else "spikes"
    return f"dense since {record.dense_since}" if record.dense_since else "dense input"


def _layer(key: tuple[str, str, str], records: Sequence[OpRecord], cost: CostModel, queries: int) -> dict[str, object]:
    module, op, driven_by = key
    neurons = any(record.is_neuron for record in records)
    fired = sum(record.spikes_out if neurons else record.spikes_in for record in records)
    entries = sum(record.outputs if neurons else record.dense_in for record in records)

    def total(kind: str, which: int = 0) -> float:
        return sum(record.counts.get(kind, (0, 0))[which] for record in records) / queries

    return {
        "layer": module or "(model)",
        "operation": op.removeprefix("aten."),
        "num_timesteps": None,
        "driven_by": driven_by,
        "firing_rate": fired / entries
        if entries and (neurons or driven_by.startswith("spikes")) and op
        else float("nan"),
        "synops": total("ac"),
        "macs": total("mac"),
        "dense": total("ac", 1) + total("mac", 1),
        "weight_bytes": sum(record.weight_bytes for record in records) / queries,
        "moved_bytes": sum(r.read_bytes + r.written_bytes + r.state_bytes for r in records) / queries,
        "energy_pj": cost.energy_pj(Account(list(records))) / queries,
    }


def module_table(account: Account, model: str | CostModel, depth: int = 1, queries: int = 1) -> pd.DataFrame:
    """pJ per query by part of the model and cause; what neurons compute counts as neurons. See `part_of`."""
    parts: dict[str, dict[str, float]] = {}
    for record in account.phase("forward"):
        row = parts.setdefault(part_of(record.module, depth), dict.fromkeys([*CAUSES, OTHER_CAUSES], 0.0))
        for cause, energy in energy_breakdown_pj(Account([record], account.batch_size), model).items():
            group = GROUP_OF.get(cause, OTHER_CAUSES)
            inside = group in ("elementwise", "special functions") and record.op.startswith("lif")
            row["neurons" if inside else group] += energy / queries
    table = pd.DataFrame([{"part": part, **row, "total": sum(row.values())} for part, row in parts.items()])
    used = [cause for cause in [*CAUSES, OTHER_CAUSES] if table[cause].any()]
    return table[["part", *used, "total"]].sort_values("total", ascending=False, ignore_index=True)


GROUP_OF = {cause: group for group, causes in CAUSES.items() for cause in causes}


def part_of(path: str, depth: int = 1) -> str:
    """The part of a model that a module path belongs to: its first `depth` names.

    A list of modules and its numbers are one name more: `blocks.0.ssd.q_proj` at depth 1 is `blocks.ssd`.
    """
    names = path.split(".")
    listed = len(names) > 1 and names[1].isdigit()
    kept = [name for name in names if not name.isdigit()][: depth + listed]
    return ".".join(kept) or "(model)"


def single_layer_table(models: Iterable[str], steps: Iterable[int]) -> pd.DataFrame:
    """Break-even rates of one fully connected layer, 256 → 256: a row for each cost model, T and rival."""
    steps = tuple(steps)
    return pd.DataFrame(
        [
            {
                "title": find(name).title,
                "rival": rival,
                "num_timesteps": step,
                "break_even_rate": layer_break_even(name, step, rival=rival),
            }
            for name in models
            for rival in ("dense", "quantised")
            for step in steps
        ]
    )


def published_table(models: Iterable[str]) -> pd.DataFrame:
    """Published break-even rates, each beside that of one layer, 256 → 256, at its T against its rival."""
    rows = []
    for point in LITERATURE:
        spread = f"{point.low:.3g}" if point.low == point.high else f"{point.low:.3g} to {point.high:.3g}"
        ours = {name: layer_break_even(name, point.num_timesteps, rival=point.rival) for name in models}
        known = {"source": point.source, "rival": point.rival, "num_timesteps": point.num_timesteps}
        rows.append({**known, "published": spread, **ours})
    return pd.DataFrame(rows)


def operations_table(account: Account, queries: int = 1) -> pd.DataFrame:
    """A row for each operation and kind, summed over modules: executions, effective and dense counts per query."""
    table = account.table()
    table = table[table["phase"] == "forward"]
    summed = table.groupby(["op", "kind"], sort=False)[["calls", "effective", "dense"]].sum() / queries
    return summed.reset_index()


def twins_table(
    twins: Mapping[str, Mapping[str, float]], metric: str, models: pd.DataFrame, num_timesteps: int, cost_model: str
) -> pd.DataFrame:
    """One row for the network and for each twin: energy_pj under one cost model, accuracy converted and trained."""
    row = models[(models["cost_model"] == cost_model) & (models["num_timesteps"] == num_timesteps)].iloc[0]
    rows = [
        {
            "network": name,
            "energy_pj": row[f"{name.replace(' ', '_')}_pj"],
            **{f"{metric}, {how}": accuracy for how, accuracy in found.items()},
        }
        for name, found in twins.items()
    ]
    return pd.DataFrame(rows)
