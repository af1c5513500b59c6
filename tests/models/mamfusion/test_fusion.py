import pytest
import torch

from snnvtg.layers.attention import MultiHeadAttention
from snnvtg.models.mamfusion.config import MamFusionConfig
from snnvtg.models.mamfusion.fusion import BatchFusion, PairFusion, attend_pairs


def identity_fusion(**settings):
    """A fusion of width 2, one head, whose projections are all the identity."""
    fusion = PairFusion(MamFusionConfig(width=2, num_heads=1, dropout=0.0, fusion_residual=False, **settings))
    with torch.no_grad():
        for module in fusion.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.copy_(torch.eye(2))
                module.bias.zero_()
    return fusion.eval()


WORDS = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])  # (1, 2, 2)
CLIPS = torch.tensor([[[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]]])  # (1, 3, 2)
TEXT = torch.ones(1, 2, dtype=torch.bool)


def test_equation_3_by_hand():
    words, _ = identity_fusion()(WORDS, TEXT, CLIPS)
    root = 2**0.5
    first, second = torch.tensor([2 / root, 0.0, 0.0]).exp(), torch.tensor([0.0, 4 / root, 0.0]).exp()
    expected = torch.tensor([
        [2 * first[0] / first.sum(), 2 * first[1] / first.sum()],
        [2 * second[0] / second.sum(), 2 * second[1] / second.sum()],
    ])  # fmt: skip
    torch.testing.assert_close(words[0, 0], expected)


def test_equation_4_by_hand():
    _, clips = identity_fusion()(WORDS, TEXT, CLIPS)
    root = 2**0.5
    first, second = torch.tensor([2 / root, 0.0]).softmax(0), torch.tensor([0.0, 4 / root]).softmax(0)
    expected = torch.stack([first, second, torch.tensor([0.5, 0.5])]) @ WORDS[0]
    torch.testing.assert_close(clips[0, 0], expected)


def test_with_one_word_equation_4_gives_every_clip_the_same():
    """What the printed sentence vector q would do to every video."""
    _, clips = identity_fusion()(WORDS[:, :1], TEXT[:, :1], CLIPS)
    torch.testing.assert_close(clips[0, 0], WORDS[0, :1].expand(3, 2))


def test_every_pair_is_what_the_attention_gives_alone():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2).eval()
    queries, memory = torch.randn(3, 4, 8), torch.randn(2, 5, 8)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    pairs = attend_pairs(attention, queries, memory, mask)
    assert pairs.shape == (3, 2, 4, 8)
    for q in range(3):
        for v in range(2):
            alone = attention(queries[q : q + 1], memory[v : v + 1], mask[v : v + 1])[0]
            torch.testing.assert_close(pairs[q, v], alone)


def test_padded_words_reach_no_clip():
    torch.manual_seed(0)
    fusion = PairFusion(MamFusionConfig(width=8, num_heads=2, fusion_residual=False)).eval()
    words, clips = torch.randn(2, 4, 8), torch.randn(2, 3, 8)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    alone = fusion(words[1:, :2], mask[1:, :2], clips)[1]
    torch.testing.assert_close(fusion(words, mask, clips)[1][1:], alone)


def test_with_the_residual_fusion_begins_as_the_identity():
    words, clips = PairFusion(MamFusionConfig(width=2, num_heads=1))(WORDS, TEXT, CLIPS)
    torch.testing.assert_close(words[0], WORDS)
    torch.testing.assert_close(clips[0], CLIPS)


@pytest.mark.parametrize("off", ["video_to_text", "text_to_video"])
def test_each_direction_can_be_left_out(off):
    fusion = identity_fusion(**{off: False})
    words, clips = fusion(WORDS, TEXT, CLIPS)
    assert torch.equal(words[0], WORDS) == (off == "video_to_text")
    assert torch.equal(clips[0], CLIPS) == (off == "text_to_video")


def test_the_released_fusion_attends_across_the_batch():
    torch.manual_seed(0)
    fusion = BatchFusion(MamFusionConfig(width=8, num_heads=2)).eval()
    queries, frames = torch.randn(3, 8), torch.randn(2, 8)
    changed = queries.clone()
    changed[2] += 1
    assert not torch.allclose(fusion(queries, frames)[0], fusion(changed, frames)[0])
    read = fusion.video_to_text(frames[None], queries[None], torch.ones(1, 3, dtype=torch.bool))[0]
    fused = frames * read
    expected = queries * fusion.text_to_video(queries[None], fused[None], torch.ones(1, 2, dtype=torch.bool))[0]
    torch.testing.assert_close(fusion(queries, frames), expected)
