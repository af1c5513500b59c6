from dataclasses import replace

import numpy as np
import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models import model_class
from snnvtg.models.controls import SPIKE_CONTROLS
from snnvtg.models.spikemba_retrieval import SpikeMbaRetrieval, SpikeMbaRetrievalConfig
from snnvtg.neurons import LIFParameters
from snnvtg.training.evaluation import video_scores

SIZES = {"width": 16, "num_blocks": 2, "num_timesteps": 3, "num_heads": 2, "num_slots": 2, "state_size": 4}
FORMS = ({}, {"use_ssd": False}, {"linear_path": True}, {"slot_position": "prefix", "position": "none"})


def model_of(video_width=6, text_width=5, **settings):
    torch.manual_seed(0)
    config = SpikeMbaRetrievalConfig(**{**SIZES, "dropout": 0.0, "input_dropout": 0.0, **settings})
    return SpikeMbaRetrieval(config, video_width, text_width)


def warmed(batch, **settings):
    """A model whose batch statistics have seen something, so that neurons fire."""
    model = model_of(**settings).train()
    for _ in range(20):
        model(batch)
    return model.eval()


def test_it_is_found_by_its_name():
    assert model_class("spikemba_retrieval") is SpikeMbaRetrieval


@pytest.mark.parametrize("form", FORMS)
def test_padding_and_the_other_samples_change_no_answer(make_batch, form):
    together = make_batch()
    model = warmed(together, **form)
    answers = model.predict(model(together), together)
    for row in range(3):
        alone = make_batch([row])
        [answer] = model.predict(model(alone), alone)
        np.testing.assert_allclose(answer.pred_saliency_scores, answers[row].pred_saliency_scores, atol=1e-5)
        np.testing.assert_allclose(answer.pred_relevant_windows, answers[row].pred_relevant_windows, atol=1e-5)


@pytest.mark.parametrize("control", SPIKE_CONTROLS)
def test_controls_on_spikes_reach_the_vectors_that_are_searched(small_data, control):
    videos = small_data.test.batch(range(8))
    model = warmed(videos, video_width=small_data.video_width, text_width=small_data.text_width, slot_position="prefix")
    known = video_scores(model, small_data.test)[0]
    with SPIKE_CONTROLS[control](model, 0):
        changed = video_scores(model, small_data.test)[0]
        asked_twice = small_data.test.batch([0, 0, 1])  # two videos
        assert model(asked_twice).scores.frame_dots.shape == (3, 2)
    assert changed.shape == known.shape and not np.allclose(changed, known)
    np.testing.assert_array_equal(video_scores(model, small_data.test)[0], known)


@pytest.mark.parametrize("form", FORMS)
def test_search_forward_and_vectors_agree(make_batch, form):
    batch = make_batch()
    model = warmed(batch, **form)
    scores = model.search(batch, model.index(batch))
    torch.testing.assert_close(scores.diagonal(), model.relevance(model(batch), batch))
    torch.testing.assert_close(model.video_vectors(batch).scores(model.query_vectors(batch)), scores)
    torch.testing.assert_close(scores[1:2, 2:3], model.search(make_batch([1]), model.index(make_batch([2]))))


def test_a_video_is_encoded_alike_whatever_is_asked(make_batch):
    batch = make_batch()
    model = warmed(batch)
    other = replace(batch, text=torch.randn_like(batch.text))
    torch.testing.assert_close(model.video_vectors(batch).segments, model.video_vectors(other).segments)


def test_the_spikes_say_which_clips_speak_for_the_video(make_batch):
    batch = make_batch()
    model = warmed(batch, lif=LIFParameters(v_threshold=0.2))
    fired = []
    handle = model.blocks[-1].ssd.register_forward_hook(lambda _, __, spikes: fired.append(spikes))
    videos = model.index(batch)
    handle.remove()
    count = 5  # clips of the second video
    rates = fired[0].mean((0, -1))[1, :count]  # the slots stand behind the clips
    assert rates.max() > 0
    weights = (rates + 1e-3) / (rates + 1e-3).sum()
    torch.testing.assert_close(videos.whole[1], weights @ videos.clips[1, :count])


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_is_trained(make_batch, form):
    batch = make_batch([0, 1, 2, 0])
    model = warmed(batch, **form).train()
    sum(model.losses(model(batch), batch).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_hard_negatives_begin_at_their_epoch(make_batch):
    batch = make_batch()
    model = warmed(batch)
    model.config = replace(model.config, retrieval=replace(model.config.retrieval, hard_negatives_from=2))
    found = []
    for epoch in range(4):
        model.begin_epoch(epoch)
        found.append(model.losses(model(batch), batch)["clip_triplet"].item())
    assert found[0] == found[1] != found[2] == found[3]


def test_it_is_chosen_by_ranks_over_the_whole_split(small_data):
    model = model_of(small_data.video_width, small_data.text_width)
    assert model.needs.every_video and model.needs.videos_together
    scores, vids = video_scores(model, small_data.val, batch_size=3)
    np.testing.assert_allclose(scores, video_scores(model, small_data.val, batch_size=64)[0], atol=1e-5)
    assert scores.shape == (len(small_data.val), len(vids))


@pytest.mark.parametrize(
    "wrong", [{"alignment": "ridge"}, {"alignment": "match"}, {"proposals_weigh": True}, {"clip_weight": -0.1}]
)
def test_settings_that_need_the_query_are_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: "):
        SpikeMbaRetrievalConfig(**wrong)
