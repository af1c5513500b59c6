from dataclasses import replace

import pytest
import torch

from graph_capture import graphed
from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig
from step_parts import by_part, random_batch, rival_pieces, steps


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
    calls = steps(model, random_batch(2, 9, 4, 6, 5))
    before = [parameter.clone() for parameter in model.parameters()]
    calls["training step"]()
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)
    parts = by_part(calls["inference"], "cpu")
    assert sum(parts.values()) == pytest.approx(1)
    assert all(0 <= share < 1 for share in parts.values())
    assert parts["products"] > 0 and parts["LIF"] > 0 and parts["scan"] > 0


def test_the_heads_and_the_loss_are_parts_forward_and_backward(model):
    calls = steps(model, random_batch(2, 9, 4, 6, 5))
    parts = by_part(calls["training step"], "cpu", model)
    assert sum(parts.values()) == pytest.approx(1)
    assert parts["heads"] > 0 and parts["loss"] > 0
    assert by_part(calls["inference"], "cpu", model)["loss"] == 0
    assert by_part(calls["training step"], "cpu")["heads"] == 0
    # the heads' convolutions are the heads', backward included, and the scan's own stay with it
    alone = by_part(lambda: model.boundary(torch.randn(2, 9, 16), torch.ones(2, 9, dtype=torch.bool)).sum().backward(),
                    "cpu", model)  # fmt: skip
    assert alone["convolution"] == alone["products"] == 0 and alone["heads"] > 0.5


def test_the_captured_model_is_the_model_and_looks_at_no_mask(model, monkeypatch):
    """Without a GPU capturing is left out; what is captured must not ask the host, and must come out in order."""
    batch = random_batch(2, 9, 4, 6, 5)
    captured = []

    def capture(module, given):
        monkeypatch.setattr(torch.Tensor, "__bool__", lambda tensor: pytest.fail("asks the host"))
        with torch.no_grad():
            captured.append(module(*given))
        monkeypatch.undo()
        return module

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    expected = model.eval()(batch)
    replay = graphed(model, batch, False, "float32")
    assert len(captured) == 1
    for name in ("foreground_logits", "boundaries", "saliency", "clips", "query"):
        torch.testing.assert_close(getattr(replay(batch), name), getattr(expected, name))
    assert all(map(torch.equal, replay(batch).spikes, expected.spikes))
    # afterwards other masks are laid out as before
    padded = replace(batch, video_mask=torch.arange(9)[None] < torch.tensor([[9], [5]]))
    assert torch.isfinite(model(padded).saliency[1, :5]).all()
