import numpy as np
import pytest

from snnvtg.errors import InputError
from snnvtg.metrics import video_retrieval_metrics
from snnvtg.metrics.video_retrieval import best_ranks, relevance


def test_the_best_true_video_gives_the_rank_and_ties_go_against_it():
    scores = np.array([[0.9, 0.5, 0.1], [0.5, 0.5, 0.5], [0.3, 0.2, 0.1]])
    relevant = np.array([[0, 1, 1], [0, 0, 1], [1, 0, 0]], dtype=bool)
    assert best_ranks(scores, relevant).tolist() == [2, 3, 1]


def test_sum_is_of_unrounded_recalls():
    # three queries over 12 videos, ranks 1, 3 and 12
    scores = np.tile(-np.arange(12.0), (3, 1))
    relevant = np.zeros((3, 12), dtype=bool)
    relevant[[0, 1, 2], [0, 2, 11]] = True
    found = video_retrieval_metrics(scores, relevant)
    assert found == pytest.approx({"R@1": 100 / 3, "R@5": 200 / 3, "R@10": 200 / 3, "R@100": 100, "SumR": 800 / 3})


def test_a_grounding_split_makes_a_querys_own_video_relevant():
    assert relevance(["b", "a"], ["a", "b"]).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("scores", "relevant", "said"),
    [
        (np.zeros((1, 2)), np.zeros((1, 2), bool), "query 0 has no relevant video"),
        (np.zeros((1, 2)), np.ones((2, 1), bool), "expected the same (queries, videos)"),
        (np.array([[np.nan]]), np.ones((1, 1), bool), "NaN"),
    ],
)
def test_bad_input_is_named(scores, relevant, said):
    with pytest.raises(InputError) as caught:
        video_retrieval_metrics(scores, relevant)
    assert said in str(caught.value)
