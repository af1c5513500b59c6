"""Equations 1 to 9: what a hand makes of them on two queries and three clips."""

import math

import pytest
import torch

from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.retention import MaskableRetention, MRTBlock, decay_mask, sparse_mask, xpos

TINY = {"width": 8, "num_heads": 2, "num_clips": 3, "expand": 2, "dropout": 0.0}


def retention(**settings):
    torch.manual_seed(0)
    return MaskableRetention(MRNetConfig(**TINY | settings)).double()


@pytest.fixture
def sequences():
    generator = torch.Generator().manual_seed(1)
    draw = {"generator": generator, "dtype": torch.float64}
    text_mask = torch.tensor([[True, True], [True, False]])
    return torch.randn(2, 2, 8, **draw), torch.randn(2, 3, 8, **draw), text_mask


def test_decay_falls_with_the_distance_in_both_directions():
    expected = torch.tensor([[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]])
    torch.testing.assert_close(decay_mask(3, 0.5), expected)
    assert decay_mask(64, 0.98)[10, 13] == pytest.approx(0.98**3)


def test_forward_decay_hears_nothing_of_what_comes():
    torch.testing.assert_close(
        decay_mask(3, 0.5, "forward"), torch.tensor([[1, 0, 0], [0.5, 1, 0], [0.25, 0.5, 1]])
    )  # fmt: skip


@pytest.mark.parametrize("diagonal", [1.0, 2.0])
def test_the_sparse_mask_is_a_sigmoid_off_the_diagonal(diagonal):
    table = torch.tensor([[5.0, math.log(3.0)], [0.0, -7.0]])
    torch.testing.assert_close(sparse_mask(table, diagonal), torch.tensor([[diagonal, 0.75], [0.5, diagonal]]))


def test_released_diagonal_is_two():
    module = retention(sparse_diagonal="released", gamma=1.0)
    assert module.masks().diagonal().tolist() == [2, 2, 2]
    assert retention(gamma=1.0).masks().diagonal().tolist() == [1, 1, 1]


def test_both_masks_are_multiplied():
    module = retention(gamma=0.5)
    module.table.data.zero_()  # σ(0) = 1/2
    expected = torch.tensor([[1, 0.25, 0.125], [0.25, 1, 0.25], [0.125, 0.25, 1]], dtype=torch.float64)
    torch.testing.assert_close(module.masks(), expected)


def test_xpos_of_one_pair_by_hand():
    # C = 2: one pair, angle i · 10000^0 = i, ζ = (0 + 0.4) / 1.4
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    found, zeta = xpos(x, inverse=False), 0.4 / 1.4
    expected = [
        [1.0, 0.0],
        [math.cos(1) * zeta ** (1 / 512), math.sin(1) * zeta ** (1 / 512)],
        [-2 * math.sin(2) * zeta ** (2 / 512), 2 * math.cos(2) * zeta ** (2 / 512)],
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=1e-6)


def test_products_under_xpos_depend_on_the_distance_alone():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    products = xpos(q.expand(6, -1), inverse=False) @ xpos(k.expand(6, -1), inverse=True).T  # (6, 6)
    for distance in range(-5, 6):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-5, rtol=1e-5)
    assert products[0, 1] != pytest.approx(products[1, 0].item())


@pytest.mark.parametrize("scale", ["video", "all", "none"])
@pytest.mark.parametrize("form", ["logits", "weights"])
def test_one_softmax_over_queries_and_clips_by_hand(sequences, form, scale):
    text, clips, text_mask = sequences
    module = retention(gamma=0.5, mask_form=form, logit_scale=scale, position="none")
    found = module(text, clips, text_mask)
    masks, root = module.masks().tolist(), 2.0  # √(8 / 2)
    for sample in range(2):
        rows = [("text", i, text[sample, i]) for i in range(2)] + [("video", i, clips[sample, i]) for i in range(3)]
        for place, (kind, n, row) in enumerate(rows):
            heads = []
            for head in (slice(0, 4), slice(4, 8)):
                total, mixed = 0.0, torch.zeros(4, dtype=torch.float64)
                for other, m, column in rows:
                    if other == "text" and not text_mask[sample, m]:
                        continue
                    q = getattr(module, kind)["query"](row)[head]
                    k = getattr(module, other)["key"](column)[head]
                    logit, video = (q @ k).item(), kind == other == "video"
                    if scale == "all" or (scale == "video" and video):
                        logit /= root
                    weight = math.exp(logit * masks[n][m] if video and form == "logits" else logit)
                    if video and form == "weights":
                        weight *= masks[n][m]
                    total += weight
                    mixed += weight * getattr(module, other)["value"](column)[head]
                heads.append(mixed / total)
            torch.testing.assert_close(found[sample, place], module.out(torch.cat(heads)))


def test_masks_touch_only_what_clips_read_of_clips(sequences):
    text, clips, text_mask = sequences
    with_masks, without = retention(gamma=0.5), retention(gamma=1.0, sparse_mask=False)
    without.load_state_dict(with_masks.state_dict(), strict=False)
    one, other = with_masks(text, clips, text_mask), without(text, clips, text_mask)
    torch.testing.assert_close(one[:, :2], other[:, :2])  # queries read without limits
    assert not torch.allclose(one[:, 2:], other[:, 2:])


def test_a_place_masked_to_nothing_still_weighs_in_the_logits_form(sequences):
    text, clips, text_mask = sequences
    far = clips.clone()
    far[:, 2] += 10  # clip 0 reads it through a mask of 0
    changed = {}
    for form in ("logits", "weights"):
        module = retention(mask_form=form, position="none")
        module.table.data.fill_(-1e9)
        difference = module(text, far, text_mask) - module(text, clips, text_mask)
        changed[form] = difference[:, 2].abs().max().item()  # of clip 0
    assert changed["logits"] > 1e-2 and changed["weights"] < 1e-12


def test_a_block_adds_retention_and_then_the_network_of_what_it_gave(sequences):
    text, clips, text_mask = sequences
    torch.manual_seed(0)
    block = MRTBlock(MRNetConfig(**TINY)).double().eval()
    x = torch.cat([text, clips], 1)
    normed = torch.nn.functional.layer_norm(x, (8,))
    x = x + block.retention(normed[:, :2], normed[:, 2:], text_mask)
    x = x + block.ffn(torch.nn.functional.layer_norm(x, (8,)))
    torch.testing.assert_close(torch.cat(block(text, clips, text_mask, None), 1), x)


def test_without_the_first_norm_the_block_is_as_printed(sequences):
    text, clips, text_mask = sequences
    torch.manual_seed(0)
    block = MRTBlock(MRNetConfig(**TINY, retention_norm=False)).double().eval()
    x = torch.cat([text, clips], 1)
    x = x + block.retention(text, clips, text_mask)
    x = x + block.ffn(torch.nn.functional.layer_norm(x, (8,)))
    torch.testing.assert_close(torch.cat(block(text, clips, text_mask, None), 1), x)
