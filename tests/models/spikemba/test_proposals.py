import pytest
import torch

from snnvtg.models.spikemba import proposal_set


def test_proposal_set_by_hand():
    # T = 2, four clips, two channels; rates r = 1, 0.5, 0.25, 0.5
    spikes = torch.tensor(
        [[[1, 1], [1, 0], [0, 0], [1, 1]], [[1, 1], [0, 1], [1, 0], [0, 0]]],
        dtype=torch.float32,
    )
    assert proposal_set(spikes) == [[(0, 2), (3, 4)], [(0, 1)]]


def test_relative_levels_lie_between_the_lowest_and_the_highest_rate():
    # T = 2, rates 0.25, 0.5, 0.75, 0.5: levels 0.25 + ¼ · 0.5 and 0.25 + ¾ · 0.5
    spikes = torch.tensor([[[1, 0], [1, 0], [1, 1], [1, 0]], [[0, 0], [1, 0], [1, 0], [0, 1]]], dtype=torch.float32)
    assert proposal_set(spikes, "relative") == [[(1, 4)], [(2, 3)]]


@pytest.mark.parametrize("levels", ["absolute", "relative"])
def test_proposals_of_a_silent_detector_are_empty(levels):
    assert proposal_set(torch.zeros(3, 5, 2), levels) == [[], [], []]
