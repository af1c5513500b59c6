import pytest

from snnvtg.records import Prediction, Query


def _query(qid, *windows, duration=150.0, ratings=None, tags=()):
    ids = None if ratings is None else tuple(ratings)
    scores = None if ratings is None else tuple(ratings.values())
    return Query(qid, f"query {qid}", f"video {qid}", duration, tuple(windows), ids, scores, tags)


def _prediction(qid, *windows, saliency=()):
    return Prediction(qid, f"query {qid}", f"video {qid}", tuple(windows), tuple(saliency))


@pytest.fixture(scope="session")
def query():
    """qid, true windows; ratings maps clip → one score per rater."""
    return _query


@pytest.fixture(scope="session")
def prediction():
    """qid, windows (start, end, score) in submitted order."""
    return _prediction
