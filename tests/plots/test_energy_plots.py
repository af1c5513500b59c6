"""Energy figures draw what their tables hold."""

import math

import pandas as pd
import pytest

from snnvtg.energy.breakeven import LITERATURE
from snnvtg.plots.energy import (
    break_even_figure,
    breakdown_figure,
    pareto_figure,
    pareto_front,
    range_figure,
    small_parts_joined,
    timestep_figure,
)


@pytest.fixture
def ranges() -> pd.DataFrame:
    rows = [("a", 3e6, 2e6, 4e6, 1e6, 0.3), ("b", 9e7, 8e7, 5e7, 5e7, 0.0), ("c", 5e6, 4e6, 9e6, 9e6, math.inf)]
    names = ["cost_model", "spiking_pj", "silent_pj", "dense_twin_pj", "quantised_twin_pj", "break_even_rate"]
    made = pd.DataFrame(rows, columns=names).assign(title=lambda t: "Model " + t["cost_model"], firing_rate=0.1)
    return made.assign(break_even_quantised_rate=[0.05, 0.0, 0.0])


def texts(figure) -> set[str]:
    return {text.get_text() for axis in figure.axes for text in axis.texts}


def test_breakdown_stacks_causes_to_the_total():
    table = pd.DataFrame({"part": ["x", "y"], "MACs": [3e6, 1e6], "neurons": [1e6, 0.0], "total": [4e6, 1e6]})
    figure = breakdown_figure({"left": table, "right": table})
    bars = figure.axes[0].patches
    assert len(figure.axes) == 2
    assert max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(4.0)
    assert texts(figure) == {"80%", "20%"}


def test_parts_below_a_percent_are_joined():
    table = pd.DataFrame({"part": list("xyz"), "MACs": [100.0, 0.5, 0.4], "total": [100.0, 0.5, 0.4]})
    joined = small_parts_joined(table)
    assert joined["part"].tolist() == ["x", "other (2 parts)"]
    assert joined["total"].sum() == pytest.approx(100.9)


def test_range_is_a_row_a_model_on_a_logarithmic_axis(ranges):
    (axis,) = range_figure(ranges, "title").axes
    assert axis.get_xscale() == "log"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Model b", "Model c", "Model a"]


def test_energy_against_steps(ranges):
    table = pd.concat([ranges.assign(num_timesteps=t, spiking_pj=ranges["spiking_pj"] * t) for t in (4, 1, 2)])
    figure = timestep_figure(table, ["a", "b"])
    spiking = figure.axes[0].lines[0]
    assert spiking.get_xdata().tolist() == [1, 2, 4]
    assert spiking.get_ydata().tolist() == [3, 6, 12]


def test_the_front_keeps_what_nothing_beats_in_both():
    table = pd.DataFrame(
        {"energy_pj": [1, 2, 3, 4], "mIoU": [30.0, 29.0, 35.0, 35.0], "series": "s", "label": list("abcd")}
    )
    assert pareto_front(table, "mIoU")["label"].tolist() == ["a", "c"]
    figure = pareto_figure(table, "mIoU", "title")
    assert texts(figure) == set("abcd")


def test_break_even_says_so_where_there_is_no_rate(ranges):
    dense = pd.DataFrame({"title": "m", "num_timesteps": [1, 2, 4], "break_even_rate": [0.4, 0.2, 0.1]})
    layer = pd.concat([dense.assign(rival="dense"), dense.assign(rival="quantised")])
    figure = break_even_figure(ranges, layer, LITERATURE, 4)
    assert {"spiking costs more even in silence", "spiking wins at any rate", "measured 10.0%"} <= texts(figure)
    published = [f"{point.source}, against {point.rival}" for point in LITERATURE]
    labels = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}
    assert labels == {"m", "this network, all layers", *published}
