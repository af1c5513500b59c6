"""The time-step sweep as one figure: what spiking buys on the left, what it costs on the right."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnvtg.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, style

LOOK = {"with": (BLUE, "o", "with slots"), "without": (ORANGE, "s", "without slots")}
LAYERS = {"q_lif": ("Q", BLUE), "k_lif": ("K", GREEN), "v_lif": ("V", PURPLE), "out_lif": ("S (proposals)", RED)}


def sweep_figure(table: pd.DataFrame) -> Figure:
    """Draw a time-step sweep table; lines are means over seeds, bands reach from the lowest to the highest seed."""
    with style():
        figure = Figure(figsize=(13, 6.6), layout="constrained")
        axes = figure.subplots(2, 3)
        accuracy_panel(axes[0, 0], table, "R1@0.5")
        accuracy_panel(axes[1, 0], table, "mIoU")
        rate_panel(axes[0, 1], table)
        energy_panel(axes[0, 2], table)
        operations_panel(axes[1, 1], table)
        tradeoff_panel(axes[1, 2], table)
        for axis in (*axes[:, 0], *axes[:, 1], axes[0, 2]):
            _timestep_axis(axis, table)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, handlelength=2.5)
        seeds = table["seed"].dropna().nunique()
        figure.suptitle(
            f"SpikeMba on {table['data'].iloc[0]} data, {table['split'].iloc[0]} split: {seeds} "
            f"{'seed' if seeds == 1 else 'seeds, mean and range'}",
            fontweight="bold",
        )
    return figure


def accuracy_panel(axis: Axes, table: pd.DataFrame, metric: str) -> None:
    """A metric against T, beside what no network is needed for and the shuffled queries."""
    for slots, (colour, marker, label) in LOOK.items():
        spiking = table[(table["model"] == "spikemba") & (table["slots"] == slots)]
        shuffled = table[(table["model"] == "shuffled-query") & (table["slots"] == slots)]
        _mean_and_range(axis, spiking, metric, color=colour, marker=marker, label=label)
        _mean_and_range(axis, shuffled, metric, color=colour, linestyle=":", label=f"{label}, queries shuffled")
    for model, line, label in (("prior", "--", "best fixed window"), ("linear", "-.", "linear map alone")):
        for value in table.loc[table["model"] == model, metric]:
            axis.axhline(value, color=GREY, linestyle=line, linewidth=1.5, label=label)
    axis.set_title(f"{metric} (%)")


def rate_panel(axis: Axes, table: pd.DataFrame) -> None:
    """Firing rate of the four kinds of LIF layer, mean over blocks."""
    spiking = table[(table["model"] == "spikemba") & (table["slots"] == table["slots"].dropna().iloc[0])]
    for layer, (label, colour) in LAYERS.items():
        columns = [name for name in table if name.startswith("firing_rate:") and name.endswith(layer)]
        if columns:
            rates = spiking.assign(rate=100 * spiking[columns].mean(axis=1))
            _mean_and_range(axis, rates, "rate", color=colour, marker="o", label=label)
    axis.set_title("Firing rate (% of neurons per step)")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)


def energy_panel(axis: Axes, table: pd.DataFrame) -> None:
    """Energy of a query by kind of operation, stacked."""
    spiking = table[(table["model"] == "spikemba") & (table["slots"] == table["slots"].dropna().iloc[0])]
    parts = {
        "energy_mac_pj": ("MACs (dense)", GREY),
        "energy_other_pj": ("scan, exp, norms, gates, neurons", BLUE),
        "energy_ac_pj": ("ACs (spike-driven)", ORANGE),
    }
    mean = spiking.groupby("num_timesteps")[list(parts)].mean() / 1e6
    steps, below = mean.index.to_numpy(dtype=float), 0
    for name, (label, colour) in parts.items():
        # bars of equal breadth on a logarithmic axis
        axis.bar(steps / 1.23, mean[name], steps * (1.23 - 1 / 1.23), below, align="edge", color=colour, label=label)
        below = below + mean[name].to_numpy()
    axis.set_title("Energy per query (µJ, 45 nm fp32 estimate)")
    axis.set_ylim(0, 1.3 * below.max())
    axis.legend(fontsize=8, loc="upper left")


def operations_panel(axis: Axes, table: pd.DataFrame) -> None:
    """MACs and synaptic operations of a query."""
    for slots, (colour, marker, label) in LOOK.items():
        spiking = table[(table["model"] == "spikemba") & (table["slots"] == slots)]
        for name, line in (("macs", "--"), ("synops", "-")):
            scaled = spiking.assign(value=spiking[name] / 1e6)
            _mean_and_range(
                axis, scaled, "value", color=colour, marker=marker, linestyle=line, label=f"{name}, {label}"
            )
    axis.set_yscale("log")
    axis.set_title("Operations per query (millions)")
    axis.legend(fontsize=8, handlelength=3)


def tradeoff_panel(axis: Axes, table: pd.DataFrame) -> None:
    """Accuracy bought against energy spent; the number beside a point is T."""
    for slots, (colour, marker, label) in LOOK.items():
        spiking = table[(table["model"] == "spikemba") & (table["slots"] == slots)]
        if spiking.empty:
            continue
        mean = spiking.groupby("num_timesteps")[["energy_pj", "mIoU"]].mean()
        axis.scatter(spiking["energy_pj"] / 1e6, spiking["mIoU"], color=colour, marker=marker, s=18, alpha=0.35)
        axis.plot(mean["energy_pj"] / 1e6, mean["mIoU"], color=colour, marker=marker, label=label)
        for steps, row in mean.iterrows():
            point = (row["energy_pj"] / 1e6, row["mIoU"])
            axis.annotate(f"T={int(steps)}", point, textcoords="offset points", xytext=(6, 5), fontsize=8, color=colour)
    axis.set_title("mIoU (%) against energy (µJ)")
    axis.set_xlabel("energy per query (µJ, 45 nm fp32 estimate)")
    axis.legend(fontsize=8)


def _mean_and_range(axis: Axes, rows: pd.DataFrame, column: str, **look) -> None:
    if rows.empty or rows[column].isna().all():
        return
    grouped = rows.groupby("num_timesteps")[column]
    mean = grouped.mean()
    axis.plot(mean.index, mean, **look)
    if (grouped.count() > 1).any():
        axis.fill_between(mean.index, grouped.min(), grouped.max(), color=look["color"], alpha=0.15, linewidth=0)


def _timestep_axis(axis: Axes, table: pd.DataFrame) -> None:
    steps = sorted(table["num_timesteps"].dropna().unique())
    axis.set_xscale("log", base=2)
    axis.set_xticks(steps, [str(int(step)) for step in steps])
    axis.minorticks_off()
    axis.set_xlabel("time steps T")
