"""Equations 1 to 8, on cases small enough for a pencil."""

import math

import pytest
import torch
from torch import nn

from snnvtg.models.r2_tuning import R2TuningConfig
from snnvtg.models.r2_tuning.block import R2Block, SpatialPooling


@pytest.fixture
def pooling():
    """Spatial pooling of width 4 whose two projections change nothing."""
    module = SpatialPooling(4)
    for layer in (module.query, module.key):
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return module


@torch.no_grad()
def test_words_pool_the_patches_they_resemble_and_the_greatest_word_is_kept(pooling):
    # logits q·v/√4: word a (2,0,0,0) with patches (2 ln 3,0,0,0) and 0: ln 9 · … = 2·2·ln 3/2 = ln 9 and 0
    patches = torch.tensor([[[[2 * math.log(3), 0, 0, 0], [0, 1.0, 0, 0]]]])
    tokens = torch.tensor([[[2.0, 0, 0, 0], [0, 2.0, 0, 0], [9.0, 9, 9, 9]]])
    told = pooling(patches, tokens, torch.tensor([[True, True, False]]))
    # a weighs the patches 9 : 1, b (0,2,0,0) has logits 0 and 1, so 1 : e
    first = [0.9 * 2 * math.log(3) + 2, 0.1, 0, 0]
    second = [2 * math.log(3) / (1 + math.e), math.e / (1 + math.e) + 2, 0, 0]
    torch.testing.assert_close(told[0, 0], torch.tensor([max(a, b) for a, b in zip(first, second, strict=True)]))


@torch.no_grad()
def test_values_are_not_projected(pooling):
    nn.init.zeros_(pooling.query.weight)  # every patch weighs the same
    patches, tokens = torch.randn(2, 3, 5, 4), torch.zeros(2, 1, 4)
    told = pooling(patches, tokens, torch.ones(2, 1, dtype=torch.bool))
    torch.testing.assert_close(told, patches.mean(2))


class Recorded(nn.Module):
    """In place of the refinement: keeps what it is given and returns it doubled."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, hidden, *_):
        self.given.append(hidden)
        return 2 * hidden


@pytest.fixture
def block():
    """Three layers of width 4 whose maps change nothing; returns the block and what its refinement was given."""
    module = R2Block(R2TuningConfig(num_layers=3, width=4, num_heads=1, drop_path=0, input_dropout=0), 4, 4)
    module.map_video = module.map_text = nn.Identity()
    module.refine = Recorded()
    return module.eval(), module.refine.given


def run(block, video, text):
    video_mask, text_mask = (torch.ones(part.shape[:2], dtype=torch.bool) for part in (video, text))
    return block(video, video_mask, text, text_mask, None)


@torch.no_grad()
def test_steps_go_from_the_last_layer_to_the_first_and_gates_fuse_them(block):
    module, given = block
    # φ = σ(ln 3) = 3/4 in the second step, σ(0) = 1/2 in the third; the spatial gates are still closed
    module.fusion_gate.copy_(torch.tensor([math.log(3), 0.0]))
    video, text = torch.zeros(1, 1, 3, 2, 4), torch.randn(1, 2, 3, 4)
    for layer, value in enumerate((1.0, 10.0, 100.0)):
        video[0, 0, layer, 0] = value
    refined = run(module, video, text)
    # 100; 3/4 · 10 + 1/4 · 200 = 57.5; 1/2 · 1 + 1/2 · 115 = 58
    assert [hidden.unique().item() for hidden in given] == pytest.approx([100.0, 57.5, 58.0])
    assert refined.hidden.unique().item() == pytest.approx(116.0)
    assert refined.frames[0, :, 0, 0].tolist() == [100.0, 10.0, 1.0]


@torch.no_grad()
def test_the_spatial_gate_of_each_step_is_a_tanh_that_may_take_away(block):
    module, given = block
    module.spatial_gate.copy_(torch.atanh(torch.tensor([0.5, -0.5, 0.0])))
    for layer in (module.spatial.query, module.spatial.key):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.constant_(module.fusion_gate, 100.0)  # the new features alone
    video, text = torch.zeros(1, 1, 3, 3, 4), torch.zeros(1, 1, 3, 4)
    video[..., 0, :], video[..., 1, :], video[..., 2, :] = 7.0, 2.0, 4.0
    text[...] = 1.0
    run(module, video, text)
    # mean patch 3 and word 1 make e_token = 4: 7 + 4/2, 7 − 4/2, 7
    assert [hidden.unique().item() for hidden in given] == pytest.approx([9.0, 5.0, 7.0])


@torch.no_grad()
def test_gates_start_closed_and_half_open(block):
    module, _ = block
    assert module.spatial_gate.tolist() == [0, 0, 0] and module.fusion_gate.tolist() == [0, 0]


@torch.no_grad()
def test_a_step_is_cross_attention_self_attention_and_feed_forward_each_normalised():
    config = R2TuningConfig(num_layers=1, width=8, num_heads=2, drop_path=0.5, input_dropout=0)
    torch.manual_seed(0)
    refine = R2Block(config, 4, 4).refine.eval()
    hidden, tokens = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    video_mask, text_mask = torch.ones(2, 5, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)
    # torch's own attention with the same weights
    expected = hidden
    for ours, norm in ((refine.cross, refine.norm_cross), (refine.own, refine.norm_own)):
        memory = tokens if ours is refine.cross else expected
        attention = nn.MultiheadAttention(8, 2, batch_first=True)
        attention.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        attention.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        attention.out_proj.load_state_dict(ours.out.state_dict())
        expected = norm(expected + attention(expected, memory, memory)[0])
    first, _, _, second = refine.ffn
    expected = refine.norm_ffn(expected + second(first(expected).relu()))
    torch.testing.assert_close(refine(hidden, video_mask, tokens, text_mask, 1), expected)
    assert first.out_features == 32


def test_one_layer_has_no_patches_gates_or_spatial_pooling():
    block = R2Block(R2TuningConfig(num_layers=1, width=8), 4, 4)
    assert block.spatial is block.spatial_gate is block.fusion_gate is None
