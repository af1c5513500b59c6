import torch

from snnvtg.models.spikemba import proposal_set


def test_proposal_set_by_hand():
    # T = 2, four clips, two channels; rates r = 1, 0.5, 0.25, 0.5
    spikes = torch.tensor(
        [[[1, 1], [1, 0], [0, 0], [1, 1]], [[1, 1], [0, 1], [1, 0], [0, 0]]],
        dtype=torch.float32,
    )
    assert proposal_set(spikes) == [[(0, 2), (3, 4)], [(0, 1)]]


def test_proposals_of_a_silent_detector_are_empty():
    assert proposal_set(torch.zeros(3, 5, 2)) == [[], [], []]
