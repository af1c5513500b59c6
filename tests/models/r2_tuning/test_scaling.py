import numpy as np
import pytest
import torch

from snnvtg.data import GroundingDataset
from snnvtg.models.r2_tuning.scaling import Scaling
from snnvtg.records import Query

QUERIES = tuple(Query(i, "words", vid, 2.0, ((0.0, 1.0),)) for i, vid in enumerate(("a", "b", "a")))
# two features and two time endpoints; the second feature tells the videos apart and nothing else
VIDEOS = {
    "a": np.array([[1.0, 5, 0, 0.5], [3.0, 5, 0.5, 1]], dtype=np.float32),
    "b": np.array([[2.0, 9, 0, 0.5], [8.0, 9, 0.5, 1]], dtype=np.float32),
}
TEXTS = tuple(np.array(rows, dtype=np.float32) for rows in ([[1.0], [3.0]], [[5.0]], [[7.0]]))


@pytest.fixture
def train():
    return GroundingDataset(QUERIES, VIDEOS, TEXTS, 1.0)


def test_features_have_deviation_one_and_mean_zero_over_the_training_set(train):
    scaling = Scaling(2, 1, centred=False)
    scaling.fit(train)
    clips = torch.from_numpy(np.concatenate([VIDEOS["a"], VIDEOS["b"]])[:, :2])
    words = torch.from_numpy(np.concatenate(TEXTS))
    for told in scaling(clips, words):
        torch.testing.assert_close(told.mean(0), torch.zeros(told.shape[1]))
        torch.testing.assert_close(told.std(0, correction=0), torch.ones(told.shape[1]))


def test_centred_videos_are_scaled_by_what_is_left_and_what_never_varies_is_zero(train):
    scaling = Scaling(2, 1, centred=True)
    scaling.fit(train)
    # the first feature less each video's mean: -1, 1, -3, 3, of deviation √5
    told, _ = scaling(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 1))
    torch.testing.assert_close(told, torch.tensor([[3 / 5**0.5, 0.0]]))
