import dataclasses

import torch

from snnvtg.models.clipwise import ClipwiseOutput
from snnvtg.models.clipwise.decoding import expected_iou_windows, predict_windows


def test_windows_stand_around_their_clips_in_order_of_score(make_batch):
    batch = dataclasses.replace(make_batch([1]), clip_length=2.0)  # five clips of two seconds
    batch = dataclasses.replace(batch, queries=(dataclasses.replace(batch.queries[0], duration=9.0),))
    logits = torch.tensor([[-5.0, 0.0, -5.0, 2.0, -5.0]])
    boundaries = torch.full((1, 5, 2), 0.25)
    boundaries[0, 1] = torch.tensor([1.0, 0.5])  # centre 1.5: clips 0.5 to 2.0, seconds 1 to 4
    boundaries[0, 3] = torch.tensor([0.5, 3.0])  # centre 3.5: clips 3.0 to 6.5, cut at 9 s
    output = ClipwiseOutput(logits, boundaries, torch.eye(5)[:1], torch.ones(1, 5, 2), *torch.ones(2, 1, 2))
    (prediction,) = predict_windows(output, batch)
    first, second = prediction.pred_relevant_windows[:2]
    assert first[:2] == (6.0, 9.0)
    assert abs(first[2] - 1 / (1 + 2.718281828**-2)) < 1e-6
    assert second == (1.0, 4.0, 0.5)
    assert prediction.pred_saliency_scores == (1.0, 0.0, 0.0, 0.0, 0.0)


def test_expected_iou_answers_with_what_the_clips_agree_on():
    # two clips say [0, 4], one of equal weight says [0, 2]: IoU of [0, 4] is (1 + 1 + 1/2) / 3, of [0, 3] 2.17 / 3;
    # the probability of the best clip, σ(1), says whether the video holds the moment at all
    logits, boundaries = torch.tensor([1.0, -30, 1, -30, 1, -30]), torch.zeros(6, 2)
    boundaries[0], boundaries[2], boundaries[4] = (
        torch.tensor([0.5, 3.5]),
        torch.tensor([2.5, 1.5]),
        torch.tensor([4.5, -2.5]),
    )
    start, end, score = expected_iou_windows(logits, boundaries, 6.0)[0].tolist()
    assert (start, end) == (0.0, 4.0)
    assert abs(score - 2.5 / 3 / (1 + 2.718281828**-1)) < 1e-6


def test_expected_iou_of_a_long_video_keeps_the_heaviest_proposals_windows_and_its_memory_small():
    logits, boundaries = torch.full((5000,), -9.0), torch.full((5000, 2), 0.4)
    logits[3000:3300] = torch.linspace(1, 3, 300)  # more clips agree than proposals are kept
    centre = torch.arange(3000, 3300) + 0.5
    boundaries[3000:3300] = torch.stack([centre - 3000, 3300 - centre], 1)
    windows = expected_iou_windows(logits, boundaries, 4999.5)
    assert windows[0, :2].tolist() == [3000.0, 3300.0]
    assert abs(windows[0, 2] - 1 / (1 + 2.718281828**-3)) < 1e-3


def test_expected_iou_of_a_long_video_whose_proposals_are_all_empty():
    windows = expected_iou_windows(torch.zeros(300), torch.full((300, 2), -1.0), 300.0)
    assert torch.isfinite(windows).all()


def test_padding_gives_no_window(make_batch):
    batch = make_batch()
    logits = torch.where(batch.video_mask, -3.0, 9.0)
    ones = torch.ones(*logits.shape, 2)
    output = ClipwiseOutput(logits, ones, torch.ones(logits.shape), ones, *torch.ones(2, 3, 2))
    for prediction, query in zip(predict_windows(output, batch), batch.queries, strict=True):
        assert all(0 <= start < end <= query.duration for start, end, _ in prediction.pred_relevant_windows)
        assert max(score for *_, score in prediction.pred_relevant_windows) < 0.5
        assert len(prediction.pred_saliency_scores) == query.duration
