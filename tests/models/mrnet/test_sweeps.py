"""The model's own declarations: every row is a model that can be made, and names what it varies."""

import pytest

from snnvtg.models.mrnet import MRNet
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.settings import trial_of, with_settings


@pytest.mark.parametrize("preset", ["demo", "small", "paper"])
@pytest.mark.parametrize("name", MRNet.sweeps())
def test_every_row_is_a_model_of_its_own(name, preset):
    sweep, base = parse_sweep(MRNet.sweep(name)), trial_of(preset, model="mrnet")
    made = [with_settings(base, [(s.key, s.value) for s in row.settings]).recipe for row in sweep.rows]
    assert len(set(made)) == len(made)
    assert sweep.reference in {row.name for row in sweep.rows}


def test_published_rows_are_rows_of_the_sweep_they_stand_beside():
    for sweep, figures in MRNet.published().items():
        if sweep == "benchmarks":
            continue
        rows = {row.name for row in parse_sweep(MRNet.sweep(sweep.removeprefix("mrnet_"))).rows}
        assert set(figures["rows"]) <= rows
        assert all(len(row) == len(figures["columns"]) for row in figures["rows"].values())
