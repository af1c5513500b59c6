import sys

import numpy as np
import pytest

from snnvtg.applications.approximate import ApproximateSearch, build
from snnvtg.applications.store import Entry, Part, Store
from snnvtg.applications.vector_search import VectorSearch
from snnvtg.errors import InputError

WIDTH, VIDEOS, SEGMENTS = 8, 300, 4


def directions(generator, *shape):
    found = generator.standard_normal((*shape, WIDTH)).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


@pytest.fixture
def search(tmp_path):
    generator = np.random.default_rng(0)
    store = Store.create(tmp_path, WIDTH, {})
    store.add(Entry(f"v{i}", (Part(0.0, 8.0, directions(generator, SEGMENTS)),)) for i in range(VIDEOS))
    return VectorSearch(store)


def test_faiss_is_named_where_it_is_missing(search, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    for use in (build, ApproximateSearch):
        with pytest.raises(InputError, match=r"an approximate index needs faiss .*pip install 'snnvtg\[faiss\]'"):
            use(search)


def test_an_index_that_reads_everything_finds_what_the_exact_search_finds(search):
    pytest.importorskip("faiss")
    build(search, lists=8, code="Flat")
    queries = directions(np.random.default_rng(1), 20)
    found = ApproximateSearch(search, probes=8, candidates=200).nearest(queries, 5)
    assert found == search.exact(queries, 5)


def test_fewer_probes_find_most_of_it(search):
    pytest.importorskip("faiss")
    build(search, lists=8)
    queries = directions(np.random.default_rng(1), 50)
    exact = [{hit.vid for hit in hits} for hits in search.exact(queries, 5)]
    found = ApproximateSearch(search, probes=3, candidates=100).nearest(queries, 5)
    recall = np.mean([len(best & {hit.vid for hit in hits}) / 5 for best, hits in zip(exact, found, strict=True)])
    assert 0.6 < recall <= 1


def test_an_index_of_an_earlier_state_is_refused(search):
    pytest.importorskip("faiss")
    with pytest.raises(InputError, match=r"no approximate index; make it with experiments/index\.py --faiss"):
        ApproximateSearch(search)
    build(search)
    search.store.add([Entry("new", (Part(0.0, 8.0, directions(np.random.default_rng(2), 2)),))])
    with pytest.raises(InputError, match="the approximate index is of an earlier state"):
        ApproximateSearch(VectorSearch(search.store))
