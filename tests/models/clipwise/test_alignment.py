import dataclasses

import numpy as np
import pytest
import torch

from snnvtg.data.dataset import GroundingDataset
from snnvtg.errors import InputError
from snnvtg.models.clipwise.alignment import RidgeAlignment
from snnvtg.records import Query


def split(count=40, dims=4, words=3, seed=0) -> GroundingDataset:
    """Clip features that a fixed map of the query's words raises inside [2, 5) seconds of ten."""
    generator = np.random.default_rng(seed)
    true_map = generator.normal(size=(words, dims))
    queries, videos, texts = [], {}, []
    for i in range(count):
        text, video = generator.normal(size=(2, words)), 0.1 * generator.normal(size=(10, dims))
        video[2:5] += text.mean(0) @ true_map
        queries.append(Query(i, f"q{i}", f"v{i}", 10.0, ((2.0, 5.0),)))
        videos[f"v{i}"], texts = video.astype(np.float32), [*texts, text.astype(np.float32)]
    return GroundingDataset(tuple(queries), videos, tuple(texts), 1.0)


def fitted(dataset, ridge=5.0) -> RidgeAlignment:
    layer = RidgeAlignment(4, 3, ridge)
    layer.fit(dataset)
    return layer


def test_the_map_is_that_of_least_squares_with_the_penalty_as_rows():
    dataset, ridge = split(), 5.0
    layer = fitted(dataset, ridge)
    clips = np.concatenate([video - video.mean(0) for video in dataset.videos.values()])
    words = np.concatenate(dataset.texts)
    x = np.stack([((text - words.mean(0)) / words.std(0)).mean(0) for text in dataset.texts])
    y = np.stack([((v - v.mean(0)) / clips.std(0))[2:5].mean(0) for v in dataset.videos.values()])
    rows = np.concatenate([x - x.mean(0), np.sqrt(ridge) * np.eye(3)])
    expected = np.linalg.lstsq(rows, np.concatenate([y - y.mean(0), np.zeros((3, 4))]), rcond=None)[0]
    np.testing.assert_allclose(layer.weight.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.numpy(), y.mean(0) - x.mean(0) @ expected, rtol=1e-4, atol=1e-5)


def test_it_finds_moments_of_queries_it_has_not_seen():
    dataset = split(80)
    layer = fitted(dataset.subset(range(40))).eval()
    unseen = dataset.subset(range(40, 80))
    score = layer(unseen.batch(range(40)))
    assert (score[:, 2:5].min(1).values > score[:, 5:].max(1).values).float().mean() > 0.8


def test_each_video_has_mean_0_and_variance_1_and_padding_0(make_batch):
    layer = RidgeAlignment(6, 5, 1.0).eval()
    torch.nn.init.normal_(layer.weight)
    batch = make_batch()
    score = layer(batch)
    for row in range(3):
        valid = score[row][batch.video_mask[row]]
        assert valid.mean().item() == pytest.approx(0, abs=1e-6)
        assert valid.var(unbiased=False).item() == pytest.approx(1, abs=1e-5)
        assert not score[row][~batch.video_mask[row]].any()
        torch.testing.assert_close(layer(make_batch([row]))[0], valid)


def test_a_video_of_one_clip_or_of_equal_clips_says_nothing(make_batch):
    layer = RidgeAlignment(6, 5, 1.0).eval()
    torch.nn.init.normal_(layer.weight)
    batch = make_batch([0])
    assert not layer(dataclasses.replace(batch, video=torch.zeros_like(batch.video))).any()
    one = dataclasses.replace(batch, video=batch.video[:, :1], video_mask=batch.video_mask[:, :1])
    assert not layer(one).any()


def test_in_training_a_query_is_read_by_a_map_that_has_not_seen_its_video():
    dataset = split()
    other = dict(dataset.videos)
    other["v7"] = dataset.videos["v7"][::-1].copy()  # the same clips, so the same deviation; another moment
    changed = dataclasses.replace(dataset, videos=other)
    before, after = fitted(dataset), fitted(changed)
    batch = dataset.batch([7])
    torch.testing.assert_close(before.train()(batch), after.train()(batch), rtol=0, atol=1e-5)
    assert (before.eval()(batch) - after.eval()(batch)).abs().max() > 1e-3


def test_a_strength_of_zero_is_refused(tiny):
    with pytest.raises(InputError, match="alignment_ridge: expected a finite number above 0"):
        dataclasses.replace(tiny, alignment_ridge=0)


def test_a_query_without_a_window_is_left_out_of_the_fit():
    dataset = split()
    windowless = dataclasses.replace(dataset.queries[3], relevant_windows=())
    queries = (*dataset.queries[:3], windowless, *dataset.queries[4:])
    layer = fitted(dataclasses.replace(dataset, queries=queries))
    assert torch.isfinite(layer.weight).all() and torch.isfinite(layer.fold_weight).all()
    assert (layer.weight - fitted(dataset).weight).abs().max() < 0.2
    none = tuple(dataclasses.replace(query, relevant_windows=()) for query in dataset.queries)
    with pytest.raises(InputError, match="no training query has a window"):
        fitted(dataclasses.replace(dataset, queries=none))
