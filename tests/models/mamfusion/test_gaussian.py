import math

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models.mamfusion.config import MamFusionConfig
from snnvtg.models.mamfusion.gaussian import AttentionUnit, GaussianBlock, gaussian_weights

QUIET = {"width": 4, "num_heads": 2, "dropout": 0.0, "input_dropout": 0.0}


def mask_of(*lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def test_the_gaussian_of_relative_distances_by_hand():
    weights = gaussian_weights(mask_of(9, 3), 1.0, "relative")
    # of nine rows one row apart is a ninth of the video: z = 9/9 = 1; of three rows z = 9/3 = 3
    assert weights[0, 4, 5] == pytest.approx(math.exp(-0.5))
    assert weights[0, 4, 2] == pytest.approx(math.exp(-2.0))
    assert weights[1, 0, 1] == pytest.approx(math.exp(-4.5))
    assert gaussian_weights(mask_of(9), 5.0, "relative")[0, 4, 5] == pytest.approx(math.exp(-0.02))


def test_the_gaussian_of_distances_in_clips_by_hand():
    weights = gaussian_weights(mask_of(5), 0.5, "clips")
    assert weights[0, 1].tolist() == pytest.approx([math.exp(-4), 1, math.exp(-4), math.exp(-16), math.exp(-36)])


@pytest.mark.parametrize("distance", ["relative", "clips"])
def test_it_is_symmetric_and_one_on_the_diagonal(distance):
    weights = gaussian_weights(mask_of(7), 0.5, distance)[0]
    torch.testing.assert_close(weights, weights.T)
    assert weights.diagonal().tolist() == [1] * 7


def test_a_unit_weighs_logits_by_the_gaussian_before_the_softmax():
    torch.manual_seed(0)
    unit = AttentionUnit(MamFusionConfig(**QUIET), sigma=1.0).eval()
    x, mask = torch.randn(1, 3, 4), mask_of(3)
    attention = unit.attention
    q, k, v = (layer(x)[0].view(3, 2, 2) for layer in (attention.query, attention.key, attention.value))
    expected = torch.zeros(3, 4)
    for row in range(3):
        for head in range(2):
            logits = torch.stack([
                (q[row, head] @ k[j, head]) / math.sqrt(2) * math.exp(-((3 * (row - j)) ** 2) / 2) for j in range(3)
            ])  # fmt: skip
            expected[row, 2 * head : 2 * head + 2] = logits.softmax(0) @ v[:, head]
    torch.testing.assert_close(unit(x, mask)[0], unit.norm(x[0] + attention.out(expected)))


def test_a_block_is_the_mean_of_its_units_and_infinity_has_no_gaussian():
    torch.manual_seed(0)
    block = GaussianBlock(MamFusionConfig(**QUIET, sigmas=(0.5, math.inf))).eval()
    x, mask = torch.randn(2, 5, 4), mask_of(5, 4)
    expected = (block.units[0](x, mask) + block.units[1](x, mask)) / 2
    torch.testing.assert_close(block(x, mask), expected)
    plain = block.units[1]
    attended = plain.attention(x, x, mask)
    torch.testing.assert_close(plain(x, mask), plain.norm(x + attended))


def test_the_feed_forward_network_of_the_paper_is_a_setting():
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    without, with_it = (AttentionUnit(MamFusionConfig(**QUIET, feed_forward=given)) for given in (False, True))
    assert count(with_it) - count(without) == 2 * (4 * 4 + 4) + 2 * 4


@pytest.mark.parametrize("sigmas", [(), (0.0,), (-1.0, 2.0), (math.nan,)])
def test_widths_that_are_none_are_refused(sigmas):
    with pytest.raises(InputError, match="sigmas: expected widths above 0"):
        MamFusionConfig(sigmas=sigmas)
