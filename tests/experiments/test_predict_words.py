"""What `predict` says of queries that its word vectors do not know."""

import numpy as np

from snnvtg.cli.predict import unread
from snnvtg.data import GroundingDataset
from snnvtg.records import Query


def dataset(**texts):
    """Queries by their words; a word in capitals has no vector."""
    queries, vectors = [], []
    for qid, text in texts.items():
        queries.append(Query(qid, text.lower(), "v", 4.0, ((0.0, 2.0),)))
        vectors.append(np.array([[0.0, 0.0] if word.isupper() else [1.0, 2.0] for word in text.split()], np.float32))
    return GroundingDataset(tuple(queries), {"v": np.zeros((4, 3), np.float32)}, tuple(vectors), 1.0)


def test_nothing_is_said_of_queries_whose_words_are_known():
    assert unread(dataset(first="a man runs")) == ""


def test_unknown_words_and_queries_of_none_other_are_said():
    said = unread(dataset(first="a man runs", second="a ZEBRA runs", third="ZZXQY QQWV"))
    assert said == (
        "note: 2 queries have words without a vector (qqwv, zebra, zzxqy); 1 have no other, so their answers say "
        "nothing of the query (first: qid third)"
    )
