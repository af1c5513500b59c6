from itertools import pairwise

import numpy as np
import pytest
import torch

from snnvtg.data import GroundingDataset, feature_statistics
from snnvtg.data.controls import shuffled_query
from snnvtg.errors import InputError
from snnvtg.records import Query


def make(vids, lengths=None):
    lengths = lengths or dict.fromkeys(vids, 3)
    videos = {vid: np.full((n, 2), i + 1, dtype=np.float32) for i, (vid, n) in enumerate(lengths.items())}
    queries = tuple(Query(i, f"text {i}", vid, float(lengths[vid]), ((0.0, 2.0),)) for i, vid in enumerate(vids))
    texts = tuple(np.full((1 + i % 3, 4), i, dtype=np.float32) for i in range(len(vids)))
    return GroundingDataset(queries, videos, texts, 1.0)


def test_a_batch_is_padded_with_masked_zeros():
    batch = make(["a", "b"], {"a": 3, "b": 5}).batch([1, 0])
    assert [query.vid for query in batch.queries] == ["b", "a"]
    assert batch.video.shape == (2, 5, 2) and batch.text.shape == (2, 2, 4)
    assert batch.video_mask.tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    assert batch.text_mask.tolist() == [[True, True], [True, False]]
    assert (batch.video[1, 3:] == 0).all() and (batch.video[1, :3] == 1).all()
    assert batch.foreground.tolist() == [[True, True, False, False, False]] * 2
    assert batch.boundaries.dtype == batch.saliency.dtype == torch.float32
    assert len(batch) == 2


def test_batches_visit_every_query_once_and_shuffle_by_seed():
    dataset = make(["a", "b"] * 5)

    def order(seed):
        return [query.qid for batch in dataset.batches(4, seed=seed) for query in batch.queries]

    assert order(None) == list(range(10))
    assert sorted(order(1)) == list(range(10))
    assert order(1) == order(1) != order(2)
    assert [len(batch) for batch in dataset.batches(4, drop_last=True)] == [4, 4]


def test_a_batch_moves_whole():
    batch = make(["a"]).batch([0]).to("meta")
    assert {value.device.type for value in vars(batch).values() if isinstance(value, torch.Tensor)} == {"meta"}


@pytest.mark.parametrize("vids", ["ab", "aabb", "aaabbc", "abcabcabcd"])
@pytest.mark.parametrize("seed", range(5))
def test_shuffled_text_comes_from_another_video(vids, seed):
    dataset = make(list(vids))
    shuffled = shuffled_query(dataset, seed)
    assert sorted(query.query for query in shuffled.queries) == sorted(query.query for query in dataset.queries)
    for before, after, text in zip(dataset.queries, shuffled.queries, shuffled.texts, strict=True):
        source = int(after.query.split()[1])
        assert vids[source] != before.vid
        assert text is dataset.texts[source]
        assert (before.qid, before.vid, before.relevant_windows) == (after.qid, after.vid, after.relevant_windows)


def test_shuffling_within_one_video_is_refused():
    with pytest.raises(InputError, match="2 of 3 belong to 'a'"):
        shuffled_query(make(["a", "a", "b"]), 0)


def test_feature_statistics_count_each_video_once():
    # clips: three of value 1 and one of value 2, though video b is asked about twice
    mean, deviation = feature_statistics(make(["a", "b", "b"], {"a": 3, "b": 1}))
    np.testing.assert_allclose(mean, [1.25, 1.25])
    np.testing.assert_allclose(deviation, [0.75**0.5 / 2, 0.75**0.5 / 2])


def test_a_constant_feature_gets_deviation_1():
    _, deviation = feature_statistics(make(["a"]))
    assert deviation.tolist() == [1, 1]


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_queries_of_a_video_can_be_kept_together(seed):
    dataset = make(list("abcabcabca"))
    kept = [query.vid for batch in dataset.batches(4, seed=seed, together=True) for query in batch.queries]
    assert sorted(kept) == sorted("abcabcabca")
    assert sum(one != other for one, other in pairwise(kept)) == 2
    order = [query.vid for batch in dataset.batches(4, seed=seed) for query in batch.queries]
    assert list(dict.fromkeys(order)) == list(dict.fromkeys(kept))
