import torch

from snnvtg.layers.drop_path import DropPath


def test_a_branch_is_dropped_for_whole_samples_and_keeps_its_expectation():
    torch.manual_seed(0)
    dropped = DropPath(0.25).train()(torch.ones(4000, 3, 2))
    per_sample = dropped.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    torch.testing.assert_close(per_sample[:, 0].unique(), torch.tensor([0.0, 4 / 3]))
    # 4000 draws: a deviation of 0.009
    assert abs(dropped.mean() - 1) < 0.04


def test_nothing_is_dropped_in_evaluation():
    x = torch.randn(5, 2)
    assert torch.equal(DropPath(0.9).eval()(x), x)
