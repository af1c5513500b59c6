"""The sparse 2-D map: which proposals there are, and what is pooled and convolved for them."""

import pytest
import torch

from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.proposals import MapHead, max_pooled, mean_pooled, proposal_pairs, proposal_spans

PAPER = (15, 8, 8)


def test_the_papers_map_of_64_clips_by_hand():
    pairs = proposal_pairs(64, PAPER)
    lengths = (pairs[:, 1] - pairs[:, 0]).tolist()
    assert sorted(set(lengths)) == [*range(16), *range(17, 32, 2), *range(35, 64, 4)]
    # 64 clips; Σ (64 − o) for o = 1 … 15; every second start of 17, 19, … 31; every fourth of 35, 39, … 63
    assert len(pairs) == 64 + 840 + (24 + 23 + 22 + 21 + 20 + 19 + 18 + 17) + (8 + 7 + 6 + 5 + 4 + 3 + 2 + 1) == 1104
    assert [first for first, last in pairs.tolist() if last - first == 17] == [*range(0, 47, 2)]
    assert [first for first, last in pairs.tolist() if last - first == 59] == [0, 4]


def test_a_small_map_by_hand():
    expected = [(i, i) for i in range(6)] + [(i, i + 1) for i in range(5)] + [(0, 3), (2, 5)] + [(0, 5)]
    assert [tuple(pair) for pair in proposal_pairs(6, (1, 2)).tolist()] == expected


def test_a_full_map_has_every_pair_once():
    pairs = {tuple(pair) for pair in proposal_pairs(7, (6,)).tolist()}
    assert pairs == {(i, j) for i in range(7) for j in range(i, 7)}


def test_spans_end_behind_the_last_cell():
    spans = proposal_spans(torch.tensor([[0, 0], [1, 3]]), 4)
    assert spans.tolist() == [[0, 0.25], [0.25, 1]]


@pytest.mark.parametrize("clips, counts", [(64, PAPER), (16, (15,)), (10, (2, 2, 1)), (5, (15, 8, 8)), (1, (15,))])
def test_pooling_sees_the_cells_of_each_proposal(clips, counts):
    x = torch.randn(2, clips, 3, generator=torch.Generator().manual_seed(0))
    pairs = proposal_pairs(clips, counts)
    largest, mean = max_pooled(x, clips, counts), mean_pooled(x, pairs)
    for number, (first, last) in enumerate(pairs.tolist()):
        cells = x[:, first : last + 1]
        assert torch.equal(largest[:, number], cells.amax(1))
        torch.testing.assert_close(mean[:, number], cells.mean(1), atol=1e-5, rtol=1e-4)


def small(**settings):
    torch.manual_seed(0)
    config = {"width": 4, "num_heads": 2, "num_clips": 6, "map_channels": 3, "map_layers": 2, "map_kernel": 3}
    return MapHead(MRNetConfig(**config | {"map_counts": (1, 2)} | settings))


def test_convolutions_read_proposals_and_nothing_else_of_the_map():
    head = small().eval()
    clips = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    found, _ = head(clips, None)
    # by hand: a dense map of zeros with the proposals in it, the same after each layer
    pairs, dense = proposal_pairs(6, (1, 2)).tolist(), torch.zeros(1, 4, 6, 6)
    for first, last in pairs:
        dense[0, :, first, last] = clips[0, first : last + 1].amax(0)
    for conv, norm in zip(head.convs, head.norms, strict=True):
        out = torch.relu(conv(dense) / (1 + norm.eps) ** 0.5)
        dense = torch.zeros_like(out)
        for first, last in pairs:
            dense[0, :, first, last] = out[0, :, first, last]
    expected = torch.stack([head.iou(dense[0, :, first, last]) for first, last in pairs])
    torch.testing.assert_close(found[0], expected)


def test_statistics_of_normalisation_are_those_of_the_proposals():
    head = small().train()
    seen = []
    head.norms[0].register_forward_pre_hook(lambda _, args: seen.append(args))
    head(torch.randn(2, 6, 4), None)
    (x, mask), pairs = seen[0], proposal_pairs(6, (1, 2))
    expected = x.unflatten(1, (6, 6))[:, pairs[:, 0], pairs[:, 1]].flatten(0, 1)
    assert int(mask.sum()) == 2 * len(pairs)
    torch.testing.assert_close(head.norms[0].running_mean, 0.1 * expected.mean(0))


def test_spiking_branches_average_what_each_step_says():
    head = small(spiking="map", num_timesteps=3).train()
    clips, spikes = torch.randn(2, 6, 4), []
    head.lifs[1].register_forward_hook(lambda _, __, out: spikes.append(out))
    found, contrastive = head(clips, 3)
    fired = spikes[0].unflatten(2, (6, 6))[:, :, head.pairs[:, 0], head.pairs[:, 1]]  # (T, B, C, channels)
    assert set(fired.unique().tolist()) == {0, 1} and len(fired) == 3
    torch.testing.assert_close(found, torch.stack([head.iou(step) for step in fired]).mean(0))
    torch.testing.assert_close(contrastive, head.contrastive(fired.mean(0)))
