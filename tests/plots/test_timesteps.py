import numpy as np
import pandas as pd
import pytest

from snnvtg.plots.raster import raster_figure
from snnvtg.plots.timesteps import timestep_figure


@pytest.fixture
def table():
    rows = [{"row": "prior", "model": "prior", "data": "synthetic", "split": "test", "R1@0.5": 20.0, "mIoU": 22.0}]
    for model in ("spikemba", "shuffled-query"):
        for seed in (0, 1):
            for steps in (1, 2, 4):
                rows.append(
                    {
                        "row": f"num_timesteps={steps}",
                        "model": model,
                        "data": "synthetic",
                        "split": "test",
                        "num_slots": 4,
                        "num_timesteps": steps,
                        "seed": seed,
                        "R1@0.5": 40.0 + steps + seed,
                        "mIoU": 30.0 + seed,
                        "macs": 5e6,
                        "synops": 1e5 * steps,
                        "energy_pj": 5e7 + steps * 1e6,
                        "energy_mac_pj": 3e7,
                        "energy_ac_pj": 1e5 * steps,
                        "energy_other_pj": 2e7,
                        "firing_rate:blocks.0.ssd.q_lif": 0.2,
                    }
                )
    return pd.DataFrame(rows)


def drawn(table):
    axes, title = ["num_timesteps", "num_slots"], "A model on synthetic data"
    return timestep_figure(table, axes, ["shuffled-query"], ["R1@0.5", "mIoU"], title)


def test_the_sweep_figure_shows_the_means_and_says_what_data_it_is(table):
    figure = drawn(table)
    assert figure.get_suptitle() == "A model on synthetic data: 2 seeds, mean ± standard deviation"
    accuracy = figure.axes[0]
    line = next(line for line in accuracy.lines if line.get_label() == "4 slots")
    np.testing.assert_allclose(line.get_ydata(), [41.5, 42.5, 44.5])
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 4])
    assert "4 slots only" in figure.axes[1].get_title(loc="left")
    heights = [bar.get_height() for bar in figure.axes[2].patches]
    assert sum(heights) == pytest.approx(3 * (30 + 20) + 0.1 * (1 + 2 + 4))


def test_a_single_time_step_can_be_drawn(table):
    one = table[table["num_timesteps"].isin([2]) | (table["model"] == "prior")]
    drawn(one).draw_without_rendering()


def test_a_raster_has_a_mark_for_every_spike_at_its_place():
    spikes = np.zeros((2, 3, 4))
    spikes[1, 2, 3] = spikes[0, 0, 1] = 1
    figure = raster_figure(
        {"S": spikes},
        clip_length=2.0,
        truth=[(0.0, 2.0)],
        predicted=[(1.0, 3.0, 0.9)],
        proposals=[[(0, 2)], []],
        saliency=[0.1, 0.5, 0.2],
        title="synthetic",
    )
    marks = figure.axes[0].collections[0].get_offsets()
    # clip 0, first of two steps: a quarter into its two seconds; clip 2, second step: three quarters
    np.testing.assert_allclose(np.asarray(marks), [[0.5, 1], [5.5, 3]])
