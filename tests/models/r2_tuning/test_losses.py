"""Equations 9 to 13 and 15 by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models.r2_tuning.losses import (
    R2LossConfig,
    boundary_loss,
    foreground_loss,
    layer_loss,
    positive_frames,
    saliency_loss,
    targets,
    video_loss,
)

TRUE, FALSE = True, False


def log_odds(probability):
    return math.log(probability / (1 - probability))


def heads(probabilities):
    """An output with these foreground probabilities, the last place padding."""
    logits = torch.tensor([[*map(log_odds, probabilities), 50.0]])
    mask = torch.tensor([[TRUE] * len(probabilities) + [FALSE]])
    return SimpleNamespace(class_logits=logits, point_mask=mask)


def test_focal_loss_weighs_foreground_by_alpha_and_the_certain_by_little():
    output, inside = heads([0.75, 0.25]), torch.tensor([[TRUE, FALSE, FALSE]])
    # 0.9 · (1/4)² · −ln 3/4 and 0.1 · (1/4)² · −ln 3/4
    entropy = -math.log(0.75) / 16
    assert foreground_loss(output, inside, R2LossConfig()).item() == pytest.approx(entropy)  # over one foreground point
    points = foreground_loss(output, inside, R2LossConfig(focal_average="points")).item()
    assert points == pytest.approx(entropy / 2)
    # the released code weighs both by 1
    released = foreground_loss(output, inside, R2LossConfig(focal_alpha=None)).item()
    assert released == pytest.approx(2 * entropy)


def test_boundary_loss_sums_both_sides_over_the_foreground_points_only():
    told = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    truth = torch.tensor([[[1.5, 2.0], [3.0, 6.0], [0.0, 0.0]]])
    inside = torch.tensor([[TRUE, TRUE, FALSE]])
    assert boundary_loss(SimpleNamespace(distances=told), inside, truth).item() == pytest.approx((0.5 + 2.0) / 2)


def said(saliency, truth):
    """An output and batch of one query with these cosines and ratings, all clips real but the last."""
    valid = torch.tensor([[TRUE] * (len(truth) - 1) + [FALSE]])
    batch = SimpleNamespace(video_mask=valid, saliency=torch.tensor([truth]))
    return SimpleNamespace(saliency=torch.tensor([saliency])), batch


def test_saliency_loss_sets_a_clip_against_those_of_less_alone():
    config = R2LossConfig(temperature=0.5, saliency_positives="all")
    output, batch = said([0.5, 0.0, -0.5, 9.0], [2.0, 1.0, 0.0, 0.0])
    # exp(s/τ): e, 1, 1/e. The best against both others, the middle against the last, the last is no positive
    best = -math.log(math.e / (math.e + 1 + 1 / math.e))
    middle = -math.log(1 / (1 + 1 / math.e))
    assert saliency_loss(output, batch, config).item() == pytest.approx((best + middle) / 2)


def test_sampled_saliency_draws_one_clip_of_each_query():
    output, batch = said([0.5, 0.0, -0.5, 9.0], [2.0, 1.0, 0.0, 0.0])
    config = R2LossConfig(temperature=0.5)
    seen = {round(saliency_loss(output, batch, config).item(), 4) for _ in range(40)}
    best, middle = -math.log(math.e / (math.e + 1 + 1 / math.e)), -math.log(1 / (1 + 1 / math.e))
    assert seen == {round(best, 4), round(middle, 4)}


def test_a_query_without_saliency_adds_nothing():
    output, batch = said([0.5, 0.0, 0.0], [0.0, 0.0, 0.0])
    assert saliency_loss(output, batch, R2LossConfig()).item() == 0


def test_batch_negatives_are_the_videos_clips_under_other_words():
    config = R2LossConfig(temperature=1.0, saliency_positives="all", saliency_negatives="batch")
    clips = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]])
    query = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 4.0]])
    output = SimpleNamespace(saliency=torch.ones(3, 1), clips=clips, query=query)
    asked = tuple(SimpleNamespace(query=text) for text in ("a", "b", "b"))  # the same words are no negative
    batch = SimpleNamespace(
        queries=asked, video_mask=torch.ones(3, 1, dtype=torch.bool), saliency=torch.ones(3, 1)
    )  # own cosine 1 each; the first has two foreign cosines of 0, the others one
    expected = (math.log(math.e + 2) + 2 * math.log(math.e + 1)) / 3 - 1
    assert saliency_loss(output, batch, config).item() == pytest.approx(expected)


def test_the_moments_clips_are_averaged_layer_by_layer():
    frames = torch.tensor([[[[3.0, 0.0], [0.0, 3.0], [50.0, 50.0]], [[0.0, 8.0], [0.0, 2.0], [9.0, 9.0]]]])
    output = SimpleNamespace(frames=frames, queries=torch.tensor([[[5.0, 0.0], [0.0, 2.0]]]))
    batch = SimpleNamespace(foreground=torch.tensor([[TRUE, TRUE, FALSE]]))
    found, queries = positive_frames(output, batch)
    torch.testing.assert_close(found, torch.tensor([[[0.5**0.5, 0.5**0.5], [0.0, 1.0]]]))
    torch.testing.assert_close(queries, torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))


def cross_entropy(rows, temperature):
    """Mean over rows of −log softmax at the diagonal."""
    found = []
    for place, row in enumerate(rows):
        scaled = [math.exp(x / temperature) for x in row]
        found.append(-math.log(scaled[place] / sum(scaled)))
    return sum(found) / len(found)


# frames and queries (B, K, C) of two samples and two layers, of length 1
FRAMES = torch.tensor([[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [0.8, 0.6]]])
QUERIES = torch.tensor([[[0.8, 0.6], [1.0, 0.0]], [[0.6, 0.8], [0.0, 1.0]]])


def test_video_loss_contrasts_samples_and_averages_layers():
    layers = [[[0.8, 0.6], [0.6, 0.8]], [[0.6, 0.8], [0.8, 0.6]]]  # frame of row, query of column
    turned = [[list(column) for column in zip(*layer, strict=True)] for layer in layers]
    expected = sum(cross_entropy(rows, 0.5) for rows in (*layers, *turned)) / 4
    nothing = torch.zeros(2, 2, dtype=torch.bool)
    assert video_loss(FRAMES, QUERIES, nothing, 0.5).item() == pytest.approx(expected)


def test_video_loss_leaves_excluded_pairs_out():
    excluded = torch.tensor([[FALSE, TRUE], [TRUE, FALSE]])
    assert video_loss(FRAMES, QUERIES, excluded, 0.5).item() == pytest.approx(0)


def test_layer_loss_contrasts_layers_and_averages_samples():
    samples = [[[0.8, 1.0], [0.96, 0.6]], [[0.8, 1.0], [0.96, 0.6]]]  # frame of layer row, query of layer column
    turned = [[list(column) for column in zip(*sample, strict=True)] for sample in samples]
    expected = sum(cross_entropy(rows, 0.5) for rows in (*samples, *turned)) / 4
    assert layer_loss(FRAMES, QUERIES, 0.5).item() == pytest.approx(expected)
    assert layer_loss(FRAMES[:, :1], QUERIES[:, :1], 0.5).item() == 0


def test_every_loss_is_weighted_by_its_own_setting(built, layered_batch):
    weights = {"foreground": 2.0, "boundary": 3.0, "saliency": 4.0, "video": 5.0, "layer": 6.0}
    batch, found = layered_batch(), {}
    for name, changes in (("ones", dict.fromkeys(weights, 1.0)), ("weights", weights)):
        model = built(loss=R2LossConfig(saliency_positives="all", **changes))
        found[name] = model.losses(model(batch), batch)
    for name, weight in weights.items():
        assert found["ones"][name].item() > 0
        torch.testing.assert_close(found["weights"][name], weight * found["ones"][name])


def test_padding_is_no_target(built, layered_batch):
    batch = layered_batch(windows=((0.0, 9.0),))
    output = built()(batch)
    inside, _ = targets(output, batch, 1.5)
    assert inside.any() and not (inside & ~output.point_mask).any()


def test_queries_without_a_moment_can_be_trained_on(built, layered_batch):
    model, batch = built(), layered_batch(windows=())
    found = model.losses(model(batch), batch)
    assert all(torch.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"video": -1.0}, "loss.video: expected a finite number of at least 0, got -1"),
        ({"focal_alpha": 1.5}, "loss.focal_alpha: expected a share from 0 to 1 or none, got 1.5"),
        ({"temperature": 0.0}, "loss.temperature: expected a number above 0, got 0"),
    ],
)
def test_a_wrong_setting_is_named(setting, words):
    with pytest.raises(InputError, match=words):
        R2LossConfig(**setting)
