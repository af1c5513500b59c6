import io
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from snnvtg.data.compact import CompactQueries, Joined, TextsOnDemand
from snnvtg.records import Query

QUERIES = (
    Query(1, "a person opens the door", "v", 12.5, ((1.0, 2.5), (4.0, 6.25))),
    Query("q_2", "été — 日本", "w/1", 3.0),
    Query(10**20, "x", "v", 1e-3, (), (0, 3), ((1.0, 2.0), (0.1, 4.0)), ("cars", "left")),
)


def test_queries_come_back_as_they_were():
    compact = CompactQueries(iter(QUERIES))
    assert tuple(compact) == QUERIES and len(compact) == 3
    assert [compact[place] for place in range(3)] == list(QUERIES)
    assert compact[-1] == QUERIES[-1] and compact[1:] == QUERIES[1:]
    with pytest.raises(IndexError):
        compact[3]
    assert not len(CompactQueries([])) and list(CompactQueries([])) == []


def test_a_query_takes_a_few_hundred_bytes_and_other_processes_share_them():
    compact = CompactQueries(
        Query(i, "a person opens the door", f"video_{i}", 30.0, ((1.0, 2.0),)) for i in range(1000)
    )
    tensors = [value for value in vars(compact).values() if isinstance(value, torch.Tensor)]
    assert sum(tensor.nbytes for tensor in tensors) < 150 * 1000
    sent = io.BytesIO()
    ForkingPickler(sent).dump(compact)
    assert len(sent.getvalue()) < 2000 and all(tensor.is_shared() for tensor in tensors)


def test_several_parts_are_one_sequence():
    joined = Joined(QUERIES[:2], CompactQueries([]), QUERIES[2:])
    assert list(joined) == list(QUERIES) and len(joined) == 3
    assert [joined[place] for place in (0, 1, 2, -1)] == [*QUERIES, QUERIES[-1]]
    with pytest.raises(IndexError):
        joined[3]


def test_texts_are_looked_up_where_they_are_asked_for():
    asked = []

    def encoder(query):
        asked.append(query.qid)
        return np.full((2, 1), len(query.query))

    texts = TextsOnDemand(QUERIES, encoder)
    assert not asked and len(texts) == 3
    assert texts[1].tolist() == [[8], [8]] and asked == ["q_2"]
    assert [int(text[0, 0]) for text in texts] == [23, 8, 1] and len(texts[:2]) == 2
