import torch
from hypothesis import given
from hypothesis import strategies as st

from snnvtg.models.spikemba.slots import SlotLayout


def test_suffix_stands_right_behind_the_last_real_row():
    mask = torch.tensor([[True, True, True], [True, False, False]])
    rows = torch.tensor([[1.0, 2, 3], [4, 0, 0]]).unsqueeze(-1)
    layout = SlotLayout.of(mask, 2)
    joined = layout.join(rows, torch.tensor([[10.0], [20.0]]))
    assert joined.squeeze(-1).tolist() == [[1, 2, 3, 10, 20], [4, 10, 20, 0, 0]]
    assert layout.valid_mask.tolist() == [[True] * 5, [True, True, True, False, False]]


def test_prefix_stands_in_front():
    mask = torch.tensor([[True, True], [True, False]])
    rows = torch.tensor([[1.0, 2], [4, 0]]).unsqueeze(-1)
    layout = SlotLayout.of(mask, 1, "prefix")
    joined = layout.join(rows, torch.tensor([[9.0]]))
    assert joined.squeeze(-1).tolist() == [[9, 1, 2], [9, 4, 0]]
    assert layout.valid_mask.tolist() == [[True, True, True], [True, True, False]]
    assert torch.equal(layout.rows(joined), rows)


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    num_slots=st.integers(0, 3),
    position=st.sampled_from(["suffix", "prefix"]),
)
def test_real_rows_come_back_and_every_slot_is_there(counts, num_slots, position):
    mask = torch.arange(max(counts)) < torch.tensor(counts).unsqueeze(1)
    rows = torch.randn(*mask.shape, 2) * mask.unsqueeze(-1)
    slots = 100 + torch.rand(num_slots, 2) if num_slots else None
    layout = SlotLayout.of(mask, num_slots, position)
    joined = layout.join(rows, slots)
    assert torch.equal(layout.rows(joined)[mask], rows[mask])
    assert layout.valid_mask.sum(1).tolist() == [count + num_slots for count in counts]
    if num_slots:
        for sample in range(len(counts)):
            valid = joined[sample][layout.valid_mask[sample]]
            assert torch.equal(valid[valid[:, 0] >= 50], slots)


def test_without_padding_nothing_is_gathered():
    assert SlotLayout.of(torch.ones(2, 3, dtype=torch.bool), 4).order is None
