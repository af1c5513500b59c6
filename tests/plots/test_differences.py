import numpy as np
import pandas as pd
import pytest

from snnvtg.plots.differences import difference_figure
from snnvtg.plots.grid import grid_figure

DIFFERENCES = pd.DataFrame(
    [
        ["without", "mIoU", -3.0, -4.0, -2.0, True, 0.01],
        ["other", "mIoU", 1.0, -1.0, 3.0, False, 0.8],
        ["without", "R1@0.5", -5.0, -8.0, -2.0, True, 0.2],
        ["other", "R1@0.5", 0.0, -1.0, 1.0, False, 1.0],
    ],
    columns=["row", "metric", "difference", "low", "high", "differs", "p_holm"],
)


def test_a_rows_interval_and_energy_are_drawn_where_they_lie():
    energy = pd.Series({"full": 4.0, "without": 3.0, "other": 5.0})
    figure = difference_figure(DIFFERENCES, energy, "full", "Parts (synthetic data)")
    assert figure.get_suptitle() == "Parts (synthetic data)"
    first, second, costs = figure.axes
    drawn = [tuple(line.get_xdata()) for line in first.lines]
    assert (-4.0, -2.0) in drawn and (-1.0, 3.0) in drawn
    rings = [sum(line.get_markersize() == 12 for line in axis.lines) for axis in (first, second)]
    assert rings == [1, 0]  # of the two that differ, one does so after the correction
    assert [bar.get_width() for bar in costs.patches] == [3.0, 5.0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["without", "other"]
    figure.draw_without_rendering()


@pytest.fixture
def grid():
    rows = [
        {"num_timesteps": t, "num_slots": slots, "seed": seed, "mIoU": 30.0 + t + seed, "R1@0.5": 40.0}
        | {"energy_pj": 1e6 * (t + slots)}
        for t in (1, 2, 4)
        for slots in (4, 0)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows).astype({"num_slots": "float"})


def test_a_grid_has_a_line_for_each_slots_setting(grid):
    figure = grid_figure(grid, ["num_timesteps", "num_slots"], ["mIoU", "R1@0.5"], "Steps (synthetic data)")
    accuracy, _, energy = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in accuracy.lines if line.get_label()[0] != "_"}
    assert list(lines) == ["num_slots = 4", "num_slots = 0"]
    np.testing.assert_allclose(lines["num_slots = 4"], [31.5, 32.5, 34.5])
    without = next(line for line in energy.lines if line.get_label() == "num_slots = 0")
    np.testing.assert_allclose(without.get_ydata(), [1, 2, 4])
    assert energy.get_ylim()[0] == 0
    figure.draw_without_rendering()


def test_a_grid_of_one_axis_in_words_can_be_drawn(grid):
    words = grid.assign(**{"model.lif.reset": np.where(grid["num_slots"] > 0, "hard", "soft")})
    grid_figure(words, ["model.lif.reset"], ["mIoU"], "Resets").draw_without_rendering()
