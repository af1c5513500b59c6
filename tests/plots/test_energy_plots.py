"""Energy figures draw what their tables hold."""

import itertools
import math

import pandas as pd
import pytest

from snnvtg.energy.breakeven import LITERATURE
from snnvtg.plots.break_even import break_even_figure
from snnvtg.plots.energy import breakdown_figure, pareto_figure, range_figure, small_parts_joined, timestep_figure
from snnvtg.plots.front import front_figure, pareto_front


@pytest.fixture
def ranges() -> pd.DataFrame:
    rows = [("a", 3e6, 2e6, 4e6, 1e6, 0.3), ("b", 9e7, 8e7, 5e7, 5e7, 0.0), ("c", 5e6, 4e6, 9e6, 9e6, math.inf)]
    names = ["cost_model", "spiking_pj", "silent_pj", "dense_twin_pj", "quantised_twin_pj", "break_even_rate"]
    made = pd.DataFrame(rows, columns=names).assign(title=lambda t: "Model " + t["cost_model"], firing_rate=0.1)
    return made.assign(break_even_quantised_rate=[0.05, 0.0, 0.0])


def texts(figure) -> set[str]:
    return {text.get_text() for axis in figure.axes for text in axis.texts}


def boxes(axis) -> list:
    axis.figure.draw_without_rendering()
    return [text.get_window_extent() for text in axis.texts]


def hidden(axis) -> bool:
    """Whether a label lies on another."""
    return any(a.overlaps(b) for a, b in itertools.combinations(boxes(axis), 2))


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


def test_a_twin_of_the_same_energy_hides_no_marker(ranges):
    same = ranges.assign(dense_twin_pj=ranges["spiking_pj"], quantised_twin_pj=ranges["spiking_pj"])
    (axis,) = range_figure(same, "title").axes
    heights = [points.get_offsets()[:, 1].tolist() for points in axis.collections[1:]]
    assert len({tuple(found) for found in heights}) == 3
    assert "estimate" in axis.get_xlabel()


def test_the_front_keeps_what_nothing_beats_in_both():
    table = pd.DataFrame(
        {"energy_pj": [1, 2, 3, 4], "mIoU": [30.0, 29.0, 35.0, 35.0], "series": "s", "label": list("abcd")}
    )
    assert pareto_front(table, "mIoU")["label"].tolist() == ["a", "c"]
    figure = pareto_figure(table, "mIoU", "title")
    assert texts(figure) == set("abcd")


def test_points_over_other_queries_are_in_a_panel_of_their_own():
    table = pd.DataFrame({"energy_pj": [1e6, 2e6], "mIoU": [30.0, 31.0], "series": ["read out", "retrained at T, x"]})
    figure = pareto_figure(table.assign(label=["T=1", "T=2"]), "mIoU", "a network", 100)
    assert [texts.get_text() for axis in figure.axes for texts in axis.texts] == ["T=1", "T=2"]
    assert [len(axis.texts) for axis in figure.axes] == [1, 1]
    assert "100 queries" in figure.axes[0].get_title(loc="left")


def test_points_that_nearly_coincide_have_names_apart():
    rows = [("a model", 5.0e6, 40.0), ("another model", 5.02e6, 40.05), ("a third", 5.05e6, 39.97), ("far", 9e6, 44.0)]
    table = pd.DataFrame(rows, columns=["model", "energy_pj", "mIoU"]).assign(seed=0, synops=[1.0, 0.0, 1.0, 0.0])
    (axis,) = front_figure(table, ["mIoU"], "title").axes
    assert len(axis.texts) == 4
    assert not hidden(axis)


def test_a_model_is_a_point_with_the_deviation_of_its_seeds():
    rows = [("a", seed, energy, value) for seed, energy, value in ((0, 4e6, 40.0), (1, 6e6, 42.0), (2, 5e6, 44.0))]
    table = pd.DataFrame([*rows, ("b", 0, 2e6, 30.0)], columns=["model", "seed", "energy_pj", "mIoU"])
    (axis,) = front_figure(table, ["mIoU"], "title").axes
    bars = [line.get_segments()[0] for bar in axis.containers[:1] for line in bar.lines[2]]
    (left, right), (low, high) = bars
    assert (left[0], right[0], low[1], high[1]) == pytest.approx((4.0, 6.0, 40.0, 44.0))


def test_break_even_says_so_where_there_is_no_rate(ranges):
    dense = pd.DataFrame({"title": "m", "num_timesteps": [1, 2, 4], "break_even_rate": [0.4, 0.2, 0.1]})
    layer = pd.concat([dense.assign(rival="dense"), dense.assign(rival="quantised")])
    figure = break_even_figure(ranges, layer, LITERATURE)
    against_dense, against_quantised, whole = figure.axes
    said = {text.get_text() for text in whole.texts}
    assert {"dearer than both twins, even in silence", "cheaper than the dense twin at any rate"} <= said
    assert {"cheaper than the dense twin below 30.0%", "10.0% fire in this network"} <= said
    assert "m" in {text.get_text() for text in against_quantised.texts}
    assert sum("published" in text.get_text() for axis in figure.axes for text in axis.texts) == len(LITERATURE)
    # a rate is at most one spike a step: what lies above is cut, and no point of a whole network is among a layer's
    assert all(axis.get_ylim()[1] < 3 for axis in (against_dense, against_quantised))
    assert not any(line.get_marker() == "*" for line in against_dense.lines)
