"""The match space, where neither side has heard the other, and the scores of the map."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from snnvtg.models.mrnet import MRNet, MRNetConfig, MRNetLossConfig
from snnvtg.models.mrnet.decoding import predict
from snnvtg.models.mrnet.output import MapOutput, MomentsOutput, MRNetOutput
from snnvtg.models.mrnet.proposals import proposal_pairs

CONFIG = MRNetConfig(
    width=8, num_heads=2, num_clips=4, pre_pool=1, input_width=6, map_counts=(3,), map_channels=4, map_layers=1,
    map_kernel=3, loss=MRNetLossConfig(saliency=1.0),
)  # fmt: skip


def built(**settings):
    torch.manual_seed(0)
    return MRNet(replace(CONFIG, **settings), 6, 5).eval()


@pytest.mark.parametrize("space, heard", [(0, True), (3, False)])
def test_proposals_have_heard_the_query_only_without_a_match_space(make_batch, space, heard):
    model, batch = built(match_space=space), make_batch()
    with torch.no_grad():
        one = model(batch).answer.proposals
        other = model(replace(batch, text=batch.text * 2 + 1)).answer.proposals
    assert (not torch.allclose(one, other)) == heard


def test_the_match_space_compares_mean_clips_with_the_mean_word(make_batch):
    model, batch = built(match_space=3), make_batch([1])  # 5 clips on a grid of 4, 6 words
    with torch.no_grad():
        found = model(batch).answer
        clips = F.normalize(batch.video[0], dim=-1)
        share = torch.tensor([[0.8, 0.2, 0, 0, 0], [0, 0.6, 0.4, 0, 0], [0, 0, 0.4, 0.6, 0], [0, 0, 0, 0.2, 0.8]])
        grid = model.match.video(share @ clips)
        query = model.match.text(F.normalize(batch.text[0], dim=-1).mean(0))
        for number, (first, last) in enumerate(proposal_pairs(4, (3,)).tolist()):
            mean = grid[first : last + 1].mean(0)
            expected = float(mean @ query / mean.norm() / query.norm())
            assert found.cosine[0, number].item() == pytest.approx(expected, abs=1e-5)


def test_the_blocks_read_the_products_of_clip_and_query(make_batch):
    model, batch = built(match_space=3), make_batch()
    read = []
    model.blocks[0].register_forward_pre_hook(lambda _, args: read.append(args[1]))
    with torch.no_grad():
        model(batch)
        matched = model.match(model.video_features(batch.video, batch.video_mask), batch.video_mask, torch.ones(3, 5))
        product = F.layer_norm(matched.clips * matched.query[:, None], (3,))
        torch.testing.assert_close(model.match.products(matched), model.match.lift(product))
        model.match.lift.weight.zero_()
        model.match.lift.bias.fill_(1.0)
        model(batch)
        clips = model.video_input(model.video_features(batch.video, batch.video_mask), batch.video_mask)
    assert not torch.allclose(read[0], clips)
    torch.testing.assert_close(read[1], clips + 1)


def test_gains_add_multiples_of_the_cosines(make_batch):
    batch, answers = make_batch(), {}
    for gain in (0.0, 4.0):
        model = built(match_space=3, contrastive_gain=gain, saliency_gain=gain)
        with torch.no_grad():
            answers[gain] = model(batch)
    without, with_gain = answers[0.0], answers[4.0]
    torch.testing.assert_close(with_gain.answer.iou_logits, without.answer.iou_logits + 4 * without.answer.cosine)
    difference = (with_gain.saliency - without.saliency)[batch.video_mask]
    assert difference.abs().max() > 0.1 and (difference.abs() <= 4 + 1e-5).all()


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_a_score_is_the_product_of_both_branches(make_batch, power):
    with torch.no_grad():
        found = built(score_power=power)(make_batch()).answer
    expected = found.iou_logits.sigmoid() * (found.cosine / 2 + 0.5) ** power
    torch.testing.assert_close(found.scores, expected)
    assert (found.iou_logits.abs() <= 10).all() and found.cosine.abs().max() <= 1


def test_windows_of_the_map_by_hand(make_batch):
    batch = make_batch([1])  # 5 clips of a second
    spans = torch.tensor([[0.0, 0.5], [0.0, 0.6], [0.8, 1.0]])  # 0–2.5, 0–3 (IoU 5/6 with the first) and 4–5 s
    scores = torch.tensor([[0.7, 0.9, 0.8]])
    answer = MapOutput(scores, scores, scores[..., None], scores[:, :1], scores, spans)
    found = predict(MRNetOutput(answer, torch.arange(5.0)[None], ()), batch, CONFIG)[0]
    expected = [(0, 3, 0.9), (4, 5, 0.8)]
    assert [pytest.approx(window, abs=1e-5) for window in found.pred_relevant_windows] == expected
    assert found.pred_saliency_scores == (0, 1, 2, 3, 4)


def test_windows_of_moment_queries_by_hand(make_batch):
    batch = make_batch([1])
    spans = torch.tensor([[0.9, 0.4], [0.2, 0.2]]).expand(2, 1, 2, 2)  # 0.7–1.1, cut to 1, and 0.1–0.3
    logits = torch.zeros(2, 1, 2, 2)
    logits[1, 0, 1, 0] = 2.0  # the last layer's second moment
    found = predict(MRNetOutput(MomentsOutput(spans, logits), None, ()), batch, CONFIG)[0]
    expected = [(0.5, 1.5, torch.tensor(2.0).sigmoid().item()), (3.5, 5, 0.5)]
    assert [pytest.approx(window, abs=1e-5) for window in found.pred_relevant_windows] == expected
    assert found.pred_saliency_scores == ()
