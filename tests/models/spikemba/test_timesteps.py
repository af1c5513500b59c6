import dataclasses

import pytest
import torch

from snnvtg.models.spikemba import SpikeMba
from snnvtg.models.spikemba.feedback import FeedbackDetector
from snnvtg.models.spikemba.timesteps import SaliencyFeedback, between_clips
from snnvtg.neurons import LIFParameters, lif

CURRENTS = torch.linspace(0, 1.2, 1201)


def rates(num_timesteps, **parameters):
    return lif(CURRENTS, LIFParameters(**parameters), num_timesteps=num_timesteps, reduction="mean")[0]


@pytest.mark.parametrize("num_timesteps", [1, 2, 4, 8, 32])
def test_a_constant_current_through_half_a_leak_is_a_fixed_quantiser(num_timesteps):
    rate = rates(num_timesteps)
    assert (rate[CURRENTS >= 1] == 1).all() and (rate[CURRENTS < 0.4999] == 0).all()
    # after 2 and 3 silent steps the potential is 1.5 x and 1.75 x: periods 2 and 3 begin at 2/3 and 4/7
    for low, high, period in ((2 / 3, 1, 2), (4 / 7, 2 / 3, 3)):
        inside = (low + 1e-4 < CURRENTS) & (high - 1e-4 > CURRENTS)
        assert (rate[inside] == num_timesteps // period / num_timesteps).all()


def test_without_leak_and_with_soft_reset_the_resolution_grows_with_time_steps():
    for num_timesteps in (1, 2, 4, 8):
        rate, inside = rates(num_timesteps, beta=1.0, reset="soft"), CURRENTS <= 1
        expected = (CURRENTS * num_timesteps + 1e-4).floor() / num_timesteps
        torch.testing.assert_close(rate[inside], expected[inside])
        assert len(rate[inside].unique()) == num_timesteps + 1


def test_steps_between_clips_follow_the_slope_and_leave_slots_out():
    x = torch.tensor([0.0, 2, 4, 100]).reshape(1, 4, 1)  # three clips and a slot
    is_clip = torch.tensor([[True, True, True, False]])
    # slopes: half of 2 at the ends, 2 in the middle, none at the slot; offsets of two steps: ∓ 1/4
    expected = torch.tensor([[-0.25, 1.5, 3.75, 100], [0.25, 2.5, 4.25, 100]])
    assert torch.equal(between_clips(x, is_clip, 2)[:, 0, :, 0], expected)
    assert torch.equal(between_clips(x, is_clip, 1)[0], x)


def test_feedback_hears_salient_clips_louder():
    spikes = torch.zeros(1, 1, 4, 8)
    spikes[0, 0, 1] = 1.0
    gate = SaliencyFeedback()(spikes, torch.tensor([[True, True, True, False]]))[0, :, 0]
    assert gate[1] > 1 > gate[0] == gate[2] > 0 and gate[3] == 1


def test_without_strength_feedback_changes_nothing(tiny, make_batch):
    def built(feedback):
        torch.manual_seed(0)
        model = SpikeMba(dataclasses.replace(tiny, feedback=feedback), 6, 5).eval()
        for block in model.blocks:
            block.ssd.out_norm.bias.data.fill_(0.6)  # some of S fire
        return model

    model, plain, batch = built(True), built(False), make_batch()
    assert plain(batch).spikes[0].any()
    assert not torch.equal(model(batch).spikes[0], plain(batch).spikes[0])
    for module in model.modules():
        if isinstance(module, FeedbackDetector):
            module.feedback.strength.data.zero_()
    for own, expected in zip(model(batch).spikes, plain(batch).spikes, strict=True):
        assert torch.equal(own, expected)
