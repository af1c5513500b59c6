"""Each loss on a case small enough to work out by hand."""

import math

import pytest
import torch

from snnvtg.models.losses import focal_loss, info_nce, masked_mean, triplet_loss

OWN = torch.eye(2, dtype=torch.bool)


def test_info_nce_by_hand():
    similarity = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    expected = (math.log(1 + math.exp(-2.0)) + math.log(2)) / 2
    assert info_nce(similarity, OWN, 0.5).item() == pytest.approx(expected)
    assert info_nce(similarity, torch.ones(2, 2, dtype=torch.bool), 0.5).item() == pytest.approx(0)


def test_info_nce_leaves_out_what_may_not_count_and_rows_without_a_positive():
    similarity = torch.tensor([[1.0, -math.inf], [3.0, 2.0]], requires_grad=True)
    loss = info_nce(similarity, torch.tensor([[True, False], [False, False]]), 1.0)
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(similarity.grad).all()


def test_triplets_by_hand():
    similarity = torch.tensor([[0.5, 0.4, 0.1], [0.2, 0.9, 0.1]])
    positive = torch.eye(2, 3, dtype=torch.bool)
    assert triplet_loss(similarity, positive, 0.2).item() == pytest.approx(0.1 / 4)
    assert triplet_loss(similarity, positive, 0.2, hardest=True).item() == pytest.approx(0.1 / 2)


def test_focal_loss_is_cross_entropy_at_gamma_zero():
    logits, target = torch.tensor([[2.0, -1.0, 9.0]]), torch.tensor([[True, False, False]])
    mask = torch.tensor([[True, True, False]])
    plain = (math.log(1 + math.exp(-2.0)) + math.log(1 + math.exp(-1.0))) / 2
    assert 2 * focal_loss(logits, target, mask, gamma=0.0).item() == pytest.approx(plain)
    assert focal_loss(logits, target, mask, gamma=2.0) < focal_loss(logits, target, mask, gamma=0.0)


def test_a_mean_over_nothing_is_zero_whatever_lies_there():
    assert masked_mean(torch.tensor([math.inf, math.nan]), torch.tensor([False, False])) == 0
