import dataclasses
import math

import pytest
import torch

from snnvtg.models.clipwise.losses import (
    clipwise_losses,
    entropy_loss,
    foreground_loss,
    overlap_loss,
    proposal_loss,
)
from snnvtg.models.spikemba import SpikeMbaLossConfig, SpikeMbaOutput
from snnvtg.models.spikemba.losses import contrastive_loss, query_loss, saliency_loss, spike_losses


def output_for(batch, **changes):
    """An output of zeros, two time steps, width 4."""
    shape = batch.video_mask.shape
    output = SpikeMbaOutput(
        foreground_logits=torch.zeros(shape),
        boundaries=torch.zeros(*shape, 2),
        saliency=torch.ones(shape),
        clips=torch.ones(*shape, 4),
        query=torch.ones(shape[0], 4),
        words=torch.ones(shape[0], 4),
        spikes=(torch.zeros(2, *shape, 4),),
    )
    return dataclasses.replace(output, **changes)


def all_losses(output, batch, config):
    return clipwise_losses(output, batch, config) | spike_losses(output, batch, config)


def test_foreground_loss_without_focus_is_cross_entropy(make_batch):
    batch = make_batch()
    output = output_for(batch, foreground_logits=torch.full(batch.video_mask.shape, 0.3))
    config = SpikeMbaLossConfig(focal_alpha=0.5, focal_gamma=0)
    positive, count = int(batch.foreground.sum()), int(batch.video_mask.sum())
    yes, no = math.log1p(math.exp(-0.3)), math.log1p(math.exp(0.3))
    expected = (positive * yes + (count - positive) * no) / count
    assert foreground_loss(output, batch, config).item() == pytest.approx(expected, rel=1e-5)


def test_focus_shrinks_what_is_already_right(make_batch):
    batch = make_batch([1])
    logits = torch.where(batch.foreground, 2.0, -2.0)
    output = output_for(batch, foreground_logits=logits)
    # p of the right answer is σ(2) everywhere: the mean is (1 − p)² · −log p, both classes weighing ½ · 2
    right = 1 / (1 + math.exp(-2))
    expected = (1 - right) ** 2 * -math.log(right)
    assert foreground_loss(output, batch, SpikeMbaLossConfig()).item() == pytest.approx(expected, rel=1e-5)


def test_proposal_loss_by_hand_in_both_units(make_batch):
    batch = make_batch([1])  # five clips; targets of clips 1, 2, 3: (.5, 2.5) (1.5, 1.5) (2.5, .5)
    output = output_for(batch)
    clips = ((0.125 + 2.0) + (1.0 + 1.0) + (2.0 + 0.125)) / 3
    assert proposal_loss(output, batch, SpikeMbaLossConfig()).item() == pytest.approx(clips)
    half_squares = sum((a / 5) ** 2 / 2 for a in (0.5, 2.5, 1.5, 1.5, 2.5, 0.5)) / 3
    normalised = SpikeMbaLossConfig(proposal_units="normalised")
    assert proposal_loss(output, batch, normalised).item() == pytest.approx(half_squares)


def test_overlap_loss_is_one_minus_iou(make_batch):
    batch = make_batch([1])
    output = output_for(batch, boundaries=torch.ones(1, 5, 2))
    # clip 1: [.5, 2.5] ∩ [1, 4] = 1.5 of 3.5; clip 2: 2 of 3; clip 3 mirrors clip 1
    expected = 1 - (2 * 1.5 / 3.5 + 2 / 3) / 3
    assert overlap_loss(output, batch).item() == pytest.approx(expected, rel=1e-5)


def test_contrastive_loss_repaired_pulls_and_printed_pushes(make_batch):
    batch = make_batch([0, 1, 2])
    width = torch.eye(3, 4)
    shape = batch.video_mask.shape
    aligned = width.unsqueeze(1).expand(*shape, 4).expand(2, *shape, 4)
    crossed = aligned.roll(1, 1)
    for form, wants_aligned in (("symmetric", True), ("infonce", True), ("printed", False)):
        config = SpikeMbaLossConfig(contrastive_form=form)
        good, bad = (
            contrastive_loss(output_for(batch, words=width, spikes=(s,)), batch, config) for s in (aligned, crossed)
        )
        assert (good < bad) == wants_aligned
    # softmax of cosines 1, 0, 0 at τ = 0.07
    expected = math.log(1 + 2 * math.exp(-1 / 0.07))
    config = SpikeMbaLossConfig()
    assert contrastive_loss(output_for(batch, words=width, spikes=(aligned,)), batch, config).item() == pytest.approx(
        expected, abs=1e-6
    )


def test_the_same_sentence_elsewhere_in_the_batch_is_no_negative_of_the_symmetric_form(make_batch):
    batch = make_batch([0, 1, 1])  # the second and third query are the same sentence
    shape = batch.video_mask.shape
    pooled, words = torch.eye(3, 4), torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    spikes = pooled.unsqueeze(1).expand(*shape, 4).expand(2, *shape, 4)
    output = output_for(batch, words=words, spikes=(spikes,))
    # cosines: [[1, 0, 0], [0, 1, 1], [0, 0, 0]] over τ = 1; those between the second and the third are left out
    e = math.exp(1)
    rows = math.log(e + 2) - 1, math.log(1 + e) - 1, math.log(2)
    columns = math.log(e + 2) - 1, math.log(1 + e) - 1, math.log(2)
    config = SpikeMbaLossConfig(contrastive_form="symmetric", contrastive_temperature=1.0)
    expected = (sum(rows) + sum(columns)) / 6
    assert contrastive_loss(output, batch, config).item() == pytest.approx(expected, rel=1e-5)


def test_saliency_loss_asks_the_clips_of_the_moment_to_fire_more(make_batch):
    batch = make_batch([1])  # five clips, the moment is clips 1, 2, 3
    spikes = torch.zeros(2, 1, 5, 4)
    spikes[:, 0, 2] = 1.0  # clip 2 fires at rate 1, the others at 0
    loss = saliency_loss(output_for(batch, spikes=(spikes,)), batch, SpikeMbaLossConfig(saliency_temperature=0.5))
    expected = math.log(4 + math.exp(2)) - math.log(2 + math.exp(2))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_printed_contrastive_loss_is_clamped_for_one_sample(make_batch):
    batch = make_batch([0])
    loss = contrastive_loss(output_for(batch), batch, SpikeMbaLossConfig(contrastive_form="printed"))
    assert loss.item() == pytest.approx(-math.log(1e-6), rel=1e-4)


def test_entropy_loss_by_hand(make_batch):
    batch = make_batch([1])  # one sample: no foreign query; five clips, three of them positive, all cosines 1
    loss = entropy_loss(output_for(batch), batch, SpikeMbaLossConfig())
    assert loss.item() == pytest.approx(math.log(5 / 3), rel=1e-5)
    graded = dataclasses.replace(batch, saliency=torch.tensor([[0.0, 1, 2, 1, 0]]))
    loss = entropy_loss(output_for(graded), graded, SpikeMbaLossConfig())
    assert loss.item() == pytest.approx(math.log(5 / 3) + math.log(5), rel=1e-5)
    loss = entropy_loss(output_for(graded), graded, SpikeMbaLossConfig(entropy_levels="mean"))
    assert loss.item() == pytest.approx((math.log(5 / 3) + math.log(5)) / 2, rel=1e-5)


def test_entropy_loss_counts_the_clips_under_a_foreign_query(make_batch):
    batch = make_batch([1, 1])
    same = entropy_loss(output_for(batch), batch, SpikeMbaLossConfig())
    assert same.item() == pytest.approx(math.log(5 / 3), rel=1e-5)  # equal texts are no negatives
    other = tuple(dataclasses.replace(q, query=str(i)) for i, q in enumerate(batch.queries))
    batch = dataclasses.replace(batch, queries=other)
    assert entropy_loss(output_for(batch), batch, SpikeMbaLossConfig()).item() == pytest.approx(
        math.log(10 / 3), rel=1e-5
    )


def test_padding_does_not_change_a_loss(make_batch):
    batch = make_batch([1])
    wide = make_batch([0, 1])
    # the second row of a padded batch, alone
    padded = dataclasses.replace(
        wide,
        queries=wide.queries[1:],
        **{
            name: getattr(wide, name)[1:]
            for name in ("video", "video_mask", "text", "text_mask", "foreground", "boundaries", "saliency")
        },
    )
    torch.manual_seed(0)
    values = torch.randn(1, 9, 7)

    def made(b):
        length = b.video_mask.shape[1]
        v = values[:, :length]
        spikes = (v[..., 3:] > 0).float().expand(2, *v[..., 3:].shape)
        return output_for(
            b, foreground_logits=v[..., 0], boundaries=v[..., 1:3].abs(), clips=v[..., 3:], spikes=(spikes,)
        )

    config = SpikeMbaLossConfig(overlap=1.0)
    short, long = (all_losses(made(b), b, config) for b in (batch, padded))
    assert short.keys() == long.keys() == {"foreground", "proposal", "entropy", "overlap", "contrastive"}
    for name in short:
        torch.testing.assert_close(short[name], long[name])


def test_a_query_without_any_foreground_is_no_nan(make_batch):
    batch = make_batch([1])
    empty = dataclasses.replace(
        batch,
        foreground=torch.zeros_like(batch.foreground),
        boundaries=batch.boundaries * 0,
        saliency=batch.saliency * 0,
    )
    losses = all_losses(output_for(empty), empty, SpikeMbaLossConfig(overlap=1.0))
    assert all(torch.isfinite(value) for value in losses.values())


def test_all_queries_of_the_batch_can_be_negatives(make_batch):
    batch = make_batch([1, 1, 1, 1])
    texts = ("a", "b", "a", "c")  # for the first: two others, one equal
    batch = dataclasses.replace(
        batch, queries=tuple(dataclasses.replace(q, query=t) for q, t in zip(batch.queries, texts, strict=True))
    )
    config = SpikeMbaLossConfig(entropy_negatives="batch")
    expected = (2 * math.log(15 / 3) + 2 * math.log(20 / 3)) / 4
    assert entropy_loss(output_for(batch), batch, config).item() == pytest.approx(expected, rel=1e-5)


def test_a_moment_should_fire_more_under_its_own_query_than_under_another(make_batch):
    batch = make_batch()
    config = SpikeMbaLossConfig(query_contrast=1.0, saliency_temperature=0.5)
    other = torch.full(batch.video_mask.shape, 0.25)  # its own rates are 0
    output = output_for(batch, other_rates=other)
    assert spike_losses(output, batch, config)["query"].item() == pytest.approx(math.log1p(math.exp(0.5)), rel=1e-5)
    ahead = output_for(batch, other_rates=other, spikes=(torch.ones(2, *batch.video_mask.shape, 4),))
    assert query_loss(ahead, batch, config).item() == pytest.approx(math.log1p(math.exp(-1.5)), rel=1e-5)


def test_the_same_sentence_is_no_other_query(make_batch):
    batch = make_batch()
    same = dataclasses.replace(batch, queries=tuple(dataclasses.replace(q, query="same") for q in batch.queries))
    output = output_for(batch, other_rates=torch.ones(batch.video_mask.shape))
    assert query_loss(output, same, SpikeMbaLossConfig(query_contrast=1.0)).item() == 0
