"""The figures of an energy report, from its tables alone."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from snnvtg.energy.breakeven import LITERATURE
from snnvtg.energy.report import LAYER_MODELS
from snnvtg.energy.report_tables import single_layer_table
from snnvtg.plots.break_even import break_even_figure
from snnvtg.plots.energy import breakdown_figure, pareto_figure, range_figure, timestep_figure

BROKEN_DOWN = ("45nm_fp32", "memory_lemaire_new_sram")
OVER_STEPS = ("45nm_fp32", "45nm_int8", "memory_lemaire_new_sram", "loihi_seneca")


def energy_figures(
    tables: Mapping[str, pd.DataFrame],
    own: int,
    subject: str,
    queries: int | None,
    trade: pd.DataFrame | None = None,
    metric: str = "",
) -> dict[str, Figure]:
    """By name: breakdown, range and break_even; timesteps where it was read out at several T; pareto with a `trade`.

    `tables` has `models` and `modules` as `EnergyReport.tables` gives them, counted over `queries`; `own` is the T of
    training, `subject` what network on what data it is.
    """
    models, modules = tables["models"], tables["modules"]
    at_own = models[models["num_timesteps"] == own].reset_index(drop=True)
    titles = at_own.set_index("cost_model")["title"]
    parts = {
        titles[name]: modules[modules["cost_model"] == name].loc[:, lambda t: t.any()]
        for name in BROKEN_DOWN
        if name in titles
    }
    layer = single_layer_table(LAYER_MODELS, (1, 2, 4, 5, 8, 16))
    where = subject if queries is None else f"{subject}, mean of {queries} queries"
    figures = {
        "breakdown": breakdown_figure(parts, f"Where the energy goes: {where}, T = {own:g}"),
        "range": range_figure(at_own, f"One ledger, every price table: {where}, T = {own:g}"),
        "break_even": break_even_figure(at_own, layer, LITERATURE),
    }
    if models["num_timesteps"].nunique() > 1:
        shown = [name for name in OVER_STEPS if name in titles]
        figures["timesteps"] = timestep_figure(models, shown, f"Energy against T: {where}")
    if trade is not None:
        figures["pareto"] = pareto_figure(trade, metric, subject, queries)
    return figures
