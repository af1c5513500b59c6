"""The back-end of moment queries: matching, its losses, and what it answers."""

import pytest
import torch

from snnvtg.models.mrnet.config import MRNetConfig, MRNetLossConfig
from snnvtg.models.mrnet.moments import MomentHead, generalised_iou, match, moment_losses

LOSS = MRNetLossConfig()


def test_generalised_iou_by_hand():
    first = torch.tensor([[0.0, 0.4], [0.0, 0.2], [0.1, 0.3]])
    second = torch.tensor([[0.2, 0.6], [0.6, 1.0], [0.1, 0.3]])
    # 0.2 of 0.6, nothing of the hull left; no overlap and 0.4 of a hull of 1 uncovered; the same
    torch.testing.assert_close(generalised_iou(first, second), torch.tensor([1 / 3, -0.4, 1.0]))


def test_each_window_takes_the_moment_that_makes_the_whole_cheapest():
    spans = torch.tensor([[[0.5, 0.2], [0.5, 0.21], [0.9, 0.1]]])  # centre, width
    windows = [torch.tensor([[0.4, 0.6], [0.39, 0.59]])]
    found = match(spans, torch.zeros(1, 3, 2), windows, LOSS)
    # both windows are next to the first two moments; the first fits the first window exactly
    assert found.moments.tolist() == [0, 1] and found.rows.tolist() == [0, 0]
    torch.testing.assert_close(found.spans, torch.tensor([[0.5, 0.2], [0.49, 0.2]]))


def test_confidence_decides_between_equal_spans():
    spans = torch.full((2, 3, 2), 0.5)
    logits = torch.zeros(2, 3, 2)
    logits[1, 2, 0] = 4.0
    found = match(spans, logits, [torch.zeros(0, 2), torch.tensor([[0.2, 0.4]])], LOSS)
    assert found.rows.tolist() == [1] and found.moments.tolist() == [2]


def test_overlap_decides_between_spans_as_far_away():
    # both are 0.2 away in L1; the wider one overlaps (0.4, 0.6) by a half, the shifted one not at all
    spans = torch.tensor([[[0.7, 0.2], [0.5, 0.4]]])
    assert match(spans, torch.zeros(1, 2, 2), [torch.tensor([[0.4, 0.6]])], LOSS).moments.tolist() == [1]


def test_losses_of_one_layer_by_hand():
    spans = torch.tensor([[[[0.5, 0.2], [0.2, 0.2]]]])  # (0.4, 0.6) and (0.1, 0.3)
    logits = torch.zeros(1, 1, 2, 2)
    terms = moment_losses(spans, logits, [torch.tensor([[0.4, 0.8]])], LOSS)
    assert terms["span"].item() == pytest.approx(10 * (0.1 + 0.2) / 2)
    assert terms["giou"].item() == pytest.approx(1 - 0.5)
    assert terms["label"].item() == pytest.approx(4 * 0.693147, rel=1e-5)  # every class at a half
    twice = moment_losses(spans.repeat(2, 1, 1, 1), logits.repeat(2, 1, 1, 1), [torch.tensor([[0.4, 0.8]])], LOSS)
    assert twice["span"].item() == pytest.approx(2 * terms["span"].item())


def test_moments_without_a_window_weigh_a_tenth():
    spans, logits = torch.tensor([[[[0.6, 0.4], [0.2, 0.2]]]]), torch.tensor([[[[2.0, 0.0], [1.0, 0.0]]]])
    matched, other = torch.nn.functional.softplus(torch.tensor([-2.0, 1.0])).tolist()
    terms = moment_losses(spans, logits, [torch.tensor([[0.4, 0.8]])], LOSS)
    assert terms["label"].item() == pytest.approx(4 * (matched + 0.1 * other) / 1.1, rel=1e-5)


def test_a_batch_without_windows_trains_the_labels_alone():
    head = MomentHead(MRNetConfig(width=8, num_heads=2, num_moments=3))
    terms = moment_losses(*head(torch.randn(2, 5, 8)), [torch.zeros(0, 2)] * 2, LOSS)
    sum(terms.values()).backward()
    assert terms["span"] == terms["giou"] == 0 and head.label.weight.grad.abs().sum() > 0
