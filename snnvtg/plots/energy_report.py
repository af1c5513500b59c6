"""The figures of an energy report."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from snnvtg.energy.breakeven import LITERATURE
from snnvtg.energy.report import LAYER_MODELS, EnergyReport
from snnvtg.energy.report_tables import single_layer_table
from snnvtg.plots.energy import break_even_figure, breakdown_figure, pareto_figure, range_figure, timestep_figure

BROKEN_DOWN = ("45nm_fp32", "memory_lemaire_new_sram")
OVER_STEPS = ("45nm_fp32", "45nm_int8", "memory_lemaire_new_sram", "loihi_seneca")


def report_figures(
    report: EnergyReport, tables: Mapping[str, pd.DataFrame], trade: pd.DataFrame | None, metric: str
) -> dict[str, Figure]:
    """By name: breakdown, range and break_even; timesteps where it was read out at several T; pareto with a `trade`."""
    models, modules = tables["models"], tables["modules"]
    at_own = models[models["num_timesteps"] == report.own].reset_index(drop=True)
    parts = {
        report.models[name].title: modules[modules["cost_model"] == name].loc[:, lambda t: t.any()]
        for name in BROKEN_DOWN
    }
    layer = single_layer_table(LAYER_MODELS, (1, 2, 4, 5, 8, 16))
    title = f"{report.network} on {report.inputs}"
    figures = {
        "breakdown": breakdown_figure(parts),
        "range": range_figure(at_own, f"One ledger, every convention: {title}, T = {report.own}"),
        "break_even": break_even_figure(at_own, layer, LITERATURE, report.own),
    }
    if len(report.counts) > 1:
        figures["timesteps"] = timestep_figure(models, OVER_STEPS)
    if trade is not None:
        figures["pareto"] = pareto_figure(trade, metric, title)
    return figures
