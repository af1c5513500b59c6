from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.models.mamfusion import MamFusion, MamFusionConfig
from snnvtg.models.mamfusion.branches import segment_weights
from snnvtg.models.retrieval import distinct_videos
from snnvtg.sweeps.measurement import cost
from snnvtg.training.evaluation import video_scores

FUSIONS = ("paper", "released", "none")


def mask_of(*lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


@pytest.mark.parametrize("segments", [1, 3, 4, 7, 11])
def test_videos_of_any_length_are_averaged_to_the_segments(segments):
    lengths, video = (7, 4, 1), torch.randn(3, 7, 2)
    means = segment_weights(mask_of(*lengths), segments) @ video
    for row, length in enumerate(lengths):
        expected = F.adaptive_avg_pool1d(video[row, :length].T[None], segments)[0].T
        torch.testing.assert_close(means[row], expected)


def test_the_sentence_is_a_softmax_weighted_sum_of_its_words(small_model):
    model = small_model()
    words, mask = torch.randn(2, 3, 8), mask_of(3, 2)
    weight = model.pool_query.score.weight[0]
    for row, count in enumerate((3, 2)):
        shares = (words[row, :count] @ weight).softmax(0)
        torch.testing.assert_close(model.sentence(words, mask)[row], shares @ words[row, :count])


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("spiking", ["none", "attention", "both"])
@pytest.mark.parametrize("distance", ["relative", "clips"])
def test_padding_and_the_other_samples_change_no_answer(small_model, make_batch, fusion, spiking, distance):
    model = small_model(fusion=fusion, spiking=spiking, distance=distance)
    together = make_batch()
    answers = model.predict(model(together), together)
    for row in range(3):
        alone = make_batch([row])
        [answer] = model.predict(model(alone), alone)
        np.testing.assert_allclose(answer.pred_saliency_scores, answers[row].pred_saliency_scores, atol=1e-5)
        np.testing.assert_allclose(answer.pred_relevant_windows, answers[row].pred_relevant_windows, atol=1e-5)
        one = model.relevance(model(alone), alone)
        torch.testing.assert_close(model.relevance(model(together), together)[row : row + 1], one)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_search_scores_a_querys_own_video_as_the_forward_pass_does(small_model, make_batch, fusion):
    model, batch = small_model(fusion=fusion), make_batch()
    scores = model.search(batch, model.index(batch))
    torch.testing.assert_close(scores.diagonal(), model.relevance(model(batch), batch))
    alone = model.search(make_batch([1]), model.index(make_batch([2])))
    torch.testing.assert_close(scores[1:2, 2:3], alone)


@pytest.mark.parametrize("spiking", ["none", "attention", "both"])
def test_the_vectors_of_a_store_score_as_the_model_without_fusion(small_model, make_batch, spiking):
    model, batch = small_model(fusion="none", spiking=spiking), make_batch()
    by_vectors = model.video_vectors(batch).scores(model.query_vectors(batch))
    torch.testing.assert_close(by_vectors, model.search(batch, model.index(batch)))


def test_fusion_changes_scores_and_not_the_vectors_of_a_store(small_model, make_batch):
    model, batch = small_model(fusion="paper"), make_batch()
    by_vectors = model.video_vectors(batch).scores(model.query_vectors(batch))
    assert not torch.allclose(by_vectors, model.search(batch, model.index(batch)), atol=1e-3)
    torch.testing.assert_close(by_vectors, model(batch).unfused.score(0.7))


def test_the_score_weighs_the_best_clip_and_the_frames(small_model, make_batch):
    scores = small_model(fusion="none")(make_batch()).match
    expected = 0.7 * scores.clip_cosines.max(-1).values + 0.3 * scores.frame_cosines
    torch.testing.assert_close(scores.score(0.7), expected)
    assert scores.clip_cosines.abs().max() <= 1 and scores.frame_cosines.abs().max() <= 1


def test_a_video_of_several_queries_is_encoded_once(make_batch):
    batch = make_batch([0, 1, 0, 0])
    first, owner = distinct_videos(batch)
    assert first.tolist() == [0, 1] and owner.tolist() == [0, 1, 0, 0]


def test_windows_of_one_long_video_are_videos_of_their_own(make_batch):
    batch = make_batch([0, 1])
    batch = replace(batch, queries=tuple(replace(query, vid="long") for query in batch.queries))
    assert distinct_videos(batch)[1].tolist() == [0, 1]


def test_long_videos_and_queries_are_cut_to_what_the_model_reads(small_model, make_batch):
    model, batch = small_model(max_frames=5, max_tokens=3), make_batch()
    assert torch.isfinite(model.search(batch, model.index(batch))).all()
    shorter = replace(batch, text=batch.text[:, :3], text_mask=batch.text_mask[:, :3])
    torch.testing.assert_close(model.query_vectors(batch), model.query_vectors(shorter))
    # the video of five rows is read as it is, beside one of nine that is averaged
    alone = model.index(make_batch([1])).frames
    torch.testing.assert_close(model.index(batch).frames[1:2], alone)


def test_the_answer_is_the_run_of_clips_around_the_best(small_model, make_batch):
    model, batch = small_model(), make_batch()
    for answer, query in zip(model.predict(model(batch), batch), batch.queries, strict=True):
        [(start, end, score)] = answer.pred_relevant_windows
        saliency = np.array(answer.pred_saliency_scores)
        assert len(saliency) == query.duration
        middle = (saliency.max() + saliency.mean()) / 2
        run = saliency[round(start) : round(end)]
        assert 0 <= start < end <= query.duration and saliency.argmax() in range(round(start), round(end))
        assert (run >= middle - 1e-6).all()
    assert score == pytest.approx(model.relevance(model(batch), batch)[-1].item())


@pytest.mark.parametrize("spiking", ["none", "attention", "both"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_is_trained(small_model, make_batch, fusion, spiking):
    model = small_model(fusion=fusion, spiking=spiking).train()
    batch = make_batch([0, 1, 2, 0])
    sum(model.losses(model(batch), batch).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_the_spiking_heads_give_rates_in_steps_of_1_over_t(small_model, make_batch):
    model = small_model(spiking="both", num_timesteps=4, fusion="none")
    assert model.num_timesteps == 4
    model.train()(make_batch())  # batch statistics, without which nothing fires
    model.eval()
    rates = model.as_compared("clips", model.index(make_batch()).clips)
    assert set((rates * 4).unique().tolist()) <= {0, 1, 2, 3, 4} and rates.max() > 0
    model.num_timesteps = 2
    assert set((model.as_compared("clips", model.index(make_batch()).clips) * 2).unique().tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("fusion", ["paper", "none"])
def test_the_spiking_form_is_priced_and_its_rates_are_counted(small_model, small_data, fusion):
    model = small_model(small_data.video_width, small_data.text_width, spiking="both", fusion=fusion, max_frames=32)
    model.train()(small_data.train.batch(range(8)))
    figures = cost(model, small_data.test.subset(range(2)))
    assert figures["coverage"] == 1 and 0 < figures["firing_rate"] < 1 and figures["synops"] > 0
    layers = {name for name in figures if name.startswith("firing_rate:")}
    assert len(layers) == 1 + 2 * 2 * 4 + 3  # the words' attention, four units in two blocks of two branches, the heads


def test_the_inputs_are_standardised_where_the_projection_asks_for_it(small_data):
    config = MamFusionConfig(width=8, num_heads=2, projection="standardised", num_clips=4, max_frames=32)
    model = MamFusion(config, small_data.video_width, small_data.text_width)
    model.fit(small_data.train)
    words = np.concatenate(small_data.train.texts)
    np.testing.assert_allclose(model.words.rows.project.mean, words.mean(0), atol=1e-5)
    for branch in (model.clips, model.frames):
        assert branch.rows.project.mean.abs().sum() > 0
    MamFusion(replace(config, projection="paper"), 6, 5).fit(small_data.train)  # has nothing to fit


def test_the_linear_path_adds_a_linear_map_of_the_standardised_inputs(small_model, make_batch):
    model, batch = small_model(linear_path=True, projection="standardised"), make_batch()
    project = model.words.rows.project
    project.fit(torch.full((5,), 0.5), torch.full((5,), 2.0))
    words, mask = model.encode_words(batch)
    expected = (batch.text - 0.5) / 2 @ model.words.direct.map.weight.T + 0.1 * model.words.encode(
        batch.text, mask, None
    )
    torch.testing.assert_close(words, expected)
    with pytest.raises(InputError, match="linear_path: needs projection=standardised, got paper"):
        MamFusionConfig(linear_path=True)


def test_it_is_chosen_by_ranks_over_the_whole_split(small_model, small_data):
    model = small_model(small_data.video_width, small_data.text_width, max_frames=32)
    assert model.needs.every_video and model.needs.videos_together
    scores, vids = video_scores(model, small_data.val, batch_size=3)
    np.testing.assert_allclose(scores, video_scores(model, small_data.val, batch_size=64)[0], atol=1e-5)
    assert scores.shape == (len(small_data.val), len(vids))


@pytest.mark.parametrize(
    "wrong", [{"num_heads": 5}, {"width": 0}, {"clip_weight": 1.1}, {"dropout": 1.0}, {"num_timesteps": 0}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: expected"):
        MamFusionConfig(**wrong)
