import pytest
import torch
from torch import nn

from snnvtg.layers.norm import MaskedBatchNorm


@pytest.fixture
def padded():
    torch.manual_seed(0)
    x = torch.randn(3, 4, 7, 5, requires_grad=True)
    mask = torch.arange(7) < torch.tensor([7, 3, 1, 5]).unsqueeze(1)
    return x, mask


def test_equals_batch_norm_of_the_packed_valid_rows(padded):
    x, mask = padded
    ours, theirs = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.linspace(0.5, 2, 5))
            norm.bias.copy_(torch.linspace(-1, 1, 5))
    out = ours(x, mask)[:, mask]
    expected = theirs(x[:, mask].flatten(0, 1)).view_as(out)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    weights = torch.randn_like(out)
    ours_grad = torch.autograd.grad((out * weights).sum(), x, retain_graph=True)[0]
    their_grad = torch.autograd.grad((expected * weights).sum(), x)[0]
    torch.testing.assert_close(ours_grad[:, mask], their_grad[:, mask])
    assert not ours_grad[:, ~mask].any()


def test_what_stands_under_padding_changes_nothing(padded):
    x, mask = padded
    norm = MaskedBatchNorm(5)
    expected = norm(x, mask)[:, mask]
    poisoned = x.detach().clone()
    poisoned[:, ~mask] = 1e6
    torch.testing.assert_close(MaskedBatchNorm(5)(poisoned, mask)[:, mask], expected)


def test_evaluation_uses_the_running_statistics(padded):
    x, mask = padded
    norm = MaskedBatchNorm(5).eval()
    with torch.no_grad():
        norm.running_mean.fill_(2.0)
        norm.running_var.fill_(4.0)
    torch.testing.assert_close(norm(x, mask), (x - 2) / (4 + 1e-5) ** 0.5)
