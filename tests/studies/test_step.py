import pytest
import torch

from snnvtg.models import SpikeMba, SpikeMbaConfig
from snnvtg.studies.step import by_part, random_batch, rival_pieces, steps


@pytest.fixture
def model():
    torch.manual_seed(0)
    return SpikeMba(SpikeMbaConfig(width=16, num_blocks=2, num_heads=2, num_timesteps=3, num_slots=2), 6, 5).eval()


def test_the_rival_pieces_give_the_same_model(model):
    pytest.importorskip("mambapy", reason="the rival scan: pip install --no-deps mambapy")
    batch = random_batch(2, 9, 4, 6, 5)
    ours = model(batch)
    with rival_pieces(model):
        theirs = model(batch)
    torch.testing.assert_close(theirs.boundaries, ours.boundaries, rtol=1e-4, atol=1e-5)
    assert model.blocks[0].ssd.q_lif.backend == "auto"


def test_a_step_learns_and_its_parts_add_up(model):
    calls = steps(model, random_batch(2, 9, 4, 6, 5), compiled=False)
    before = [parameter.clone() for parameter in model.parameters()]
    calls["training step"]()
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)
    parts = by_part(calls["inference"], "cpu")
    assert sum(parts.values()) == pytest.approx(1)
    assert all(0 <= share < 1 for share in parts.values())
    assert parts["products"] > 0 and parts["LIF"] > 0 and parts["scan"] > 0
