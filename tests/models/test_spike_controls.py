import dataclasses

import pytest
import torch

from snnvtg.models.controls import SPIKE_CONTROLS, permuted_spikes, silent_spikes
from snnvtg.models.spikemba import SpikeMba
from snnvtg.models.transformer import MODEL as Transformer


@pytest.fixture
def built(tiny):
    def make(**changes):
        torch.manual_seed(0)
        config = dataclasses.replace(tiny, mrm_gate="rates", num_blocks=1, **changes)
        model = SpikeMba(config, video_width=6, text_width=5).eval()
        model.blocks[0].ssd.out_norm.bias.data.fill_(0.6)  # some of them spike
        return model

    return make


@pytest.mark.parametrize("position", ["suffix", "prefix"])
def test_permuted_spikes_are_the_same_spikes_at_other_clips(built, make_batch, position):
    model, batch = built(slot_position=position), make_batch()
    before = model(batch).spikes[0]
    with permuted_spikes(model, 0):
        after = model(batch).spikes[0]
    moved = 0
    for row, count in enumerate(batch.video_mask.sum(1)):
        own = {tuple(clip.flatten().tolist()) for clip in before[:, row, :count].unbind(1)}
        shown = {tuple(clip.flatten().tolist()) for clip in after[:, row, :count].unbind(1)}
        assert own == shown
        moved += int((before[:, row, :count] != after[:, row, :count]).any())
        assert torch.equal(after[:, row, count:], before[:, row, count:])  # slots and padding
    assert moved > 0


def test_silent_spikes_are_none_and_change_the_answer(built, make_batch):
    model, batch = built(), make_batch()
    answer = model(batch).foreground_logits
    with silent_spikes(model, 0):
        silent = model(batch)
    assert not silent.spikes[0].any()
    assert not torch.equal(silent.foreground_logits, answer)


@pytest.mark.parametrize("control", SPIKE_CONTROLS)
def test_a_control_on_spikes_ends_with_its_block_and_repeats_with_its_seed(built, make_batch, control):
    model, batch = built(), make_batch()
    before = model(batch).foreground_logits
    with SPIKE_CONTROLS[control](model, 1):
        once = model(batch).foreground_logits
    assert torch.equal(model(batch).foreground_logits, before)
    with SPIKE_CONTROLS[control](model, 1):
        assert torch.equal(model(batch).foreground_logits, once)


@pytest.mark.parametrize("control", SPIKE_CONTROLS)
def test_a_model_without_neurons_answers_as_it_does(make_batch, control):
    config = dataclasses.replace(Transformer.configs["demo"], width=16, num_blocks=1)
    model, batch = Transformer(config, 6, 5).eval(), make_batch()
    with SPIKE_CONTROLS[control](model, 0):
        within = model(batch).foreground_logits
    assert torch.equal(within, model(batch).foreground_logits)
