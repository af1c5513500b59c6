import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.layers.attention import MultiHeadAttention, masked_softmax
from snnvtg.layers.positions import LearnedPositions


def test_attention_is_torchs_own_and_hears_no_padding():
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([part.weight.data for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias.data for part in parts])
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    queries, memory = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    mask = torch.arange(5) < torch.tensor([[5], [2], [1]])
    expected, _ = theirs(queries, memory, memory, key_padding_mask=~mask)
    torch.testing.assert_close(ours(queries, memory, mask), expected)
    noise = torch.where(mask.unsqueeze(-1), memory, 1e3)
    torch.testing.assert_close(ours(queries, noise, mask), expected)


def test_modulated_logits_change_what_is_read():
    attention, x = MultiHeadAttention(4, 1), torch.randn(1, 3, 4)
    mask = torch.ones(1, 3, dtype=torch.bool)
    itself = attention(x, x, mask, modulate=lambda logits: logits + torch.where(torch.eye(3).bool(), 0, -1e9))
    torch.testing.assert_close(itself, attention.out(attention.value(x)))


def test_a_row_with_nothing_to_read_is_zero():
    weights = masked_softmax(torch.randn(2, 3), torch.tensor([[True, False, True], [False] * 3]))
    assert weights[1].eq(0).all() and weights[0, 1] == 0
    torch.testing.assert_close(weights[0].sum(), torch.tensor(1.0))


def test_more_positions_than_learned_is_one_line():
    with pytest.raises(InputError, match="5 positions, but the model has learned 4"):
        LearnedPositions(4, 2)(torch.zeros(1, 5, 2))
