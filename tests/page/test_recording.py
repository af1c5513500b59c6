"""What a recording keeps of a model's neurons."""

import numpy as np
import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.instrumentation import Membranes, Rasters
from snnvtg.neurons import LIFParameters, lif_reference
from snnvtg.page.recording import pair_up, unpacked


def test_spikes_come_back_bit_for_bit_without_what_is_no_clip(recording, spiking_model, small_data):
    answer = recording["videos"][0]["answers"][0]
    with Rasters(spiking_model) as rasters, torch.no_grad():
        spiking_model(small_data.test.batch([0]))
    early, _ = unpacked(answer["layers"][0])
    np.testing.assert_array_equal(early, rasters["early"][0][:, 0, 1:].numpy() != 0)
    assert early.any() and not early.all()


def test_potentials_reach_the_threshold_just_where_spikes_are(recording):
    for video in recording["videos"]:
        for answer in video["answers"]:
            for layer in answer["layers"]:
                spikes, potential = unpacked(layer)
                step = (layer["high"] - layer["low"]) / 255
                assert layer["shape"] == [3, video["num_clips"], 8]
                assert (potential[spikes] >= layer["v_threshold"] - step).all()
                assert (potential[~spikes] <= layer["v_threshold"] + step).all()


def test_a_layer_that_gives_rates_is_recorded_spike_by_spike(recording):
    spikes, _ = unpacked(recording["videos"][0]["answers"][0]["layers"][1])
    assert spikes.shape[0] == 3 and len(np.unique(spikes)) == 2


def test_watching_changes_nothing_and_potentials_are_those_of_the_reference(spiking_model, small_data):
    batch = small_data.test.batch([0, 1])
    with torch.no_grad():
        plain = spiking_model(batch)
        with Membranes(spiking_model, ("early",)) as membranes:
            watched = spiking_model(batch)
    torch.testing.assert_close(watched.foreground_logits, plain.foreground_logits, rtol=0, atol=0)
    trace = membranes["early"][0]
    first = trace.potential[0]
    kept = LIFParameters().beta * first * (1 - trace.spikes[0])
    current = first  # the same current at every step
    torch.testing.assert_close(trace.potential[1], kept + current)
    spikes, _ = lif_reference(current.expand(3, *current.shape), LIFParameters())
    torch.testing.assert_close(trace.spikes, spikes)


def test_a_name_that_is_no_neuron_is_refused(spiking_model):
    with pytest.raises(InputError, match="'mix' is no LIF layer of TwoLayers"):
        Membranes(spiking_model, ("mix",))


def test_a_video_of_one_query_is_asked_the_next_ones(small_data):
    test = small_data.test
    first, second = (str(query.qid) for query in test.queries[:2])
    groups = pair_up(test, [first, second], [])
    assert [[str(e.query.qid) for e in group] for group in groups] == [
        [first, f"{second}-here"],
        [second, f"{first}-here"],
    ]
    assert groups[0][1].query.query == test.queries[1].query and groups[0][1].query.relevant_windows == ()
    assert groups[0][1].video is test.videos[test.queries[0].vid]
    with pytest.raises(InputError, match="no query 'nobody' in the split"):
        pair_up(test, ["nobody"], [])
