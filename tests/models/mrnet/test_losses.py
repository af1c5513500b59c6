"""Equations 6 and 10 to 12 and the saliency loss, worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from snnvtg.models.mrnet.config import MRNetLossConfig
from snnvtg.models.mrnet.losses import (
    contrastive_loss,
    iou_loss,
    overlaps,
    rescaled,
    saliency_loss,
    sparsity_loss,
    windows_as_shares,
)
from snnvtg.models.mrnet.output import MapOutput

NO_MARGIN = MRNetLossConfig(contrastive_temperature=1.0, contrastive_margin=0.0, iou_range=(0.5, 1.0))


def asked(batch, **changes):
    """The batch with its queries changed, each by its entry of every list."""
    queries = [
        replace(query, **{name: values[row] for name, values in changes.items()})
        for row, query in enumerate(batch.queries)
    ]
    return replace(batch, queries=tuple(queries))


def output_of(proposals, query, logits=None):
    proposals, query = torch.tensor(proposals), torch.tensor(query)
    cosine = torch.einsum("bcd,bd->bc", proposals, query)
    logits = cosine if logits is None else torch.tensor(logits)
    return MapOutput(logits, cosine, proposals, query, logits.sigmoid(), torch.zeros(proposals.shape[1], 2))


def test_windows_are_shares_of_the_clips_that_are_there(make_batch):
    first, second, third = windows_as_shares(make_batch())  # videos of 9, 5 and 7 clips, windows (1, 4)
    torch.testing.assert_close(
        torch.cat([first, second, third]), torch.tensor([[1 / 9, 4 / 9], [0.2, 0.8], [1 / 7, 4 / 7]])
    )


def test_a_proposal_overlaps_the_window_it_meets_best(make_batch):
    batch = asked(make_batch([1, 1]), relevant_windows=[((0.0, 1.0), (3.0, 5.0)), ()])
    spans = torch.tensor([[0.0, 0.4], [0.6, 1.0], [0.2, 0.8]])  # of 5 s: (0, 2), (3, 5), (1, 4)
    torch.testing.assert_close(overlaps(batch, spans), torch.tensor([[0.5, 1.0, 0.25], [0.0, 0.0, 0.0]]))


def test_iou_is_rescaled_between_its_two_limits():
    iou = torch.tensor([0.0, 0.5, 0.6, 0.75, 1.0])
    torch.testing.assert_close(rescaled(iou, 0.5, 1.0), torch.tensor([0.0, 0.0, 0.2, 0.5, 1.0]))
    torch.testing.assert_close(rescaled(iou, 0.3, 0.7), torch.tensor([0.0, 0.5, 0.75, 1.0, 1.0]))


def test_iou_loss_is_the_cross_entropy_of_every_proposal():
    output = output_of([[[1.0], [1.0]]], [[1.0]], [[0.0, math.log(3)]])  # σ = 1/2 and 3/4
    iou = torch.tensor([[0.2, 0.75]])  # targets 0 and 1/2
    expected = (-math.log(0.5) - 0.5 * math.log(0.75) - 0.5 * math.log(0.25)) / 2
    assert iou_loss(output, iou, NO_MARGIN).item() == pytest.approx(expected)


@pytest.fixture
def pair(make_batch):
    """Two queries of two videos, two proposals each; the first of each is the moment, the other overlaps it by 0.4."""
    batch = asked(make_batch([0, 1]), query=["opens a door", "sits down"])
    output = output_of([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.8, -0.6]]], [[1.0, 0.0], [0.0, 1.0]])
    return output, torch.tensor([[0.9, 0.4], [1.0, 0.4]]), batch


def softmax(positive, *negatives):
    return -math.log(math.exp(positive) / (math.exp(positive) + sum(map(math.exp, negatives))))


def test_contrastive_loss_both_ways_by_hand(pair):
    # query 0 sees its moment at 1, its other proposal at 0, the other video's at 0.6 and 0.8
    # query 1 sees its moment at 0.8, its other proposal at −0.6, the other video's at 0 and 1
    moments = (softmax(1.0, 0.0, 0.6, 0.8) + softmax(0.8, -0.6, 0.0, 1.0)) / 2
    # moment 0 (1, 0) sees query 1 at 0; moment 1 (0.6, 0.8) sees query 0 at 0.6
    queries = (softmax(1.0, 0.0) + softmax(0.8, 0.6)) / 2
    assert contrastive_loss(*pair, NO_MARGIN).item() == pytest.approx(moments + queries, rel=1e-5)


def test_margin_and_temperature_by_hand(pair):
    config = replace(NO_MARGIN, contrastive_margin=0.3, contrastive_temperature=0.1)
    moments = (softmax(7.0, 0.0, 6.0, 8.0) + softmax(5.0, -6.0, 0.0, 10.0)) / 2
    queries = (softmax(7.0, 0.0) + softmax(5.0, 6.0)) / 2
    assert contrastive_loss(*pair, config).item() == pytest.approx(moments + queries, rel=1e-5)


def test_a_proposal_near_the_moment_is_no_negative(pair):
    output, iou, batch = pair
    iou = torch.tensor([[0.9, 0.6], [1.0, 0.4]])
    moments = (softmax(1.0, 0.6, 0.8) + softmax(0.8, -0.6, 0.0, 1.0)) / 2
    queries = (softmax(1.0, 0.0) + softmax(0.8, 0.6)) / 2
    assert contrastive_loss(output, iou, batch, NO_MARGIN).item() == pytest.approx(moments + queries, rel=1e-5)


@pytest.mark.parametrize("changes", [{"query": ["sits down", "sits down"]}, {"vid": ["v0", "v0"]}])
def test_the_same_sentence_or_video_is_no_negative(pair, changes):
    output, iou, batch = pair
    moments = (softmax(1.0, 0.0) + softmax(0.8, -0.6)) / 2  # nothing is left of the other row
    assert contrastive_loss(output, iou, asked(batch, **changes), NO_MARGIN).item() == pytest.approx(moments, rel=1e-5)


def test_a_query_without_a_window_teaches_no_match(pair):
    output, iou, batch = pair
    batch = asked(batch, relevant_windows=[((1.0, 4.0),), ()])
    expected = softmax(1.0, 0.0, 0.6, 0.8) + softmax(1.0, 0.0)
    assert contrastive_loss(output, iou, batch, NO_MARGIN).item() == pytest.approx(expected, rel=1e-5)


def test_sparsity_is_the_mean_mask_above_what_is_wanted():
    table = torch.tensor([[0.0, math.log(3)], [-math.log(3), 0.0]])  # σ: 1/2, 3/4, 1/4, 1/2
    high = torch.tensor([[math.log(3), math.log(3)], [math.log(3), -math.log(3)]])  # three 3/4 and a 1/4
    config = MRNetLossConfig(sparse_ratio=0.0)
    assert sparsity_loss((table,), config).item() == pytest.approx(0.5)
    assert sparsity_loss((high,), config).item() == pytest.approx(0.625)
    assert sparsity_loss((high,), replace(config, sparse_mean="off_diagonal")).item() == pytest.approx(0.75)
    assert sparsity_loss((table, high), config).item() == pytest.approx(0.5625)
    assert sparsity_loss((table,), replace(config, sparse_ratio=0.25)).item() == pytest.approx(0.375)
    assert sparsity_loss((table,), replace(config, sparse_ratio=1.0)).item() == 0


def test_saliency_wants_higher_ratings_higher_by_the_margin(make_batch):
    batch = make_batch([1, 2])  # 5 and 7 clips
    rated = torch.zeros(2, 7)
    rated[0, :3] = torch.tensor([3.0, 1.0, 1.0])
    batch = replace(batch, saliency=rated)
    said = torch.zeros(2, 7, requires_grad=True)
    with torch.no_grad():
        said[0, :3] = torch.tensor([0.5, 0.4, 0.0])
        said[:, 5:] = 100.0  # padding of the first video
    # of 5 clips: 0 above 1, 2, 3, 4 by 0.1, 0.5, 0.5, 0.5; 1 above 3, 4 by 0.4; 2 above 3, 4 by 0; eight pairs
    expected = (0.1 + 0.2 + 0.2) / 8
    assert saliency_loss(said, batch, 0.2).item() == pytest.approx(expected)  # the second video has no pair
