"""The published sizes: 963,840 parameters of a Mamba, 17.28 M of MamFusion on Charades-STA."""

import pytest

from snnvtg.models.mamfusion import MamFusion, MamFusionConfig
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.settings import trial_of

D, I3D, ROBERTA = 384, 1024, 1024
LINEAR, NORM = D * D + D, 2 * D


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper():
    return MamFusion(MamFusionConfig(), I3D, ROBERTA)


def test_a_mamba():
    inner, state, conv, rank = 2 * D, 16, 4, 24
    projections = D * 2 * inner + inner * D
    scan = inner * (rank + 2 * state) + rank * inner + inner + inner * state + inner
    assert projections + inner * conv + inner + scan == 963_840
    assert count(MamFusion(MamFusionConfig(), 4, 4).clips.mambas[0].mamba) == 963_840


def test_the_model_of_charades_sta(paper):
    attention = 4 * LINEAR + NORM
    rows = {"words": ROBERTA, "clips": I3D, "frames": I3D}
    projections = sum(2 * width + width * D + D + NORM for width in rows.values())
    positions = (30 + 32 + 1024) * D
    blocks = 4 * (4 * attention + 963_840 + NORM)
    poolings, fusion = 2 * (D + 1), 2 * 4 * LINEAR
    assert count(paper) == projections + positions + blocks + attention + poolings + fusion == 16_714_370


def test_the_published_17_28_million_hold_parameters_that_never_take_part(paper):
    unread_positions = (1024 - 32) * D  # the released clip branch keeps a position for each frame of the cap
    unused_convolutions = 2 * (5 * 15_680 + 15_680)  # 1 × 1, of 5 channels to 15,680, one in each fusion, never called
    pooling_biases = 2  # ours have one, to which a softmax is blind
    released = count(paper) + unread_positions + unused_convolutions - pooling_biases
    assert released == 17_283_456
    assert round(released / 1e6, 2) == 17.28


def test_neither_fusion_changes_the_count(paper):
    assert count(MamFusion(MamFusionConfig(fusion="released"), I3D, ROBERTA)) == count(paper)
    assert count(MamFusion(MamFusionConfig(fusion="none"), I3D, ROBERTA)) == count(paper) - 8 * LINEAR


@pytest.mark.parametrize("sweep", MamFusion.sweeps())
def test_every_row_of_its_sweeps_is_a_model_of_its_own(sweep):
    declared = parse_sweep(MamFusion.sweep(sweep), sweep)
    base = trial_of("small", model="mamfusion")
    trials = [row.trial(base) for row in declared.rows]
    assert len(set(trials)) == len(trials) > 1
    said = MamFusion.published().get(declared.name)
    assert said is None or set(said["rows"]) == {row.name for row in declared.rows} - {"released"}
