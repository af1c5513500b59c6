import dataclasses

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.layers.positions import sinusoids
from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig, clip_rates

VARIANTS = [
    {},
    {"num_timesteps": 1},
    {"num_slots": 0},
    {"text_fusion": "concat"},
    {"scan_direction": "forward", "slot_position": "prefix"},
    {"use_ssd": False},
    {"use_cmr": False},
    {"encoding": "poisson"},
    {"encoding": "latency", "num_timesteps": 1},
    {"encoding": "latency", "attention_order": "values"},
    {"qkv_bn": False, "attention_order": "values", "position": "none"},
    {"text_fusion": "attended", "mrm_gate": "rates", "proposals_weigh": True, "time_endpoints": False},
    {"alignment": "match", "centre_videos": True},
    {"feedback": True, "threshold_spread": 0.5},
    {"encoding": "between", "feedback": True, "slot_position": "prefix"},
    {"encoding": "between", "boundaries_read": "proposals"},
    {
        "alignment": "match",
        "match_features": "normed",
        "match_neighbours": 3,
        "match_words": "weighted",
        "num_slots": 0,
    },
    {"alignment": "match", "match_features": "product", "proposal_current": "matched", "match_width": 8},
    {"alignment": "match", "proposals_weigh": True, "proposals_replace": True, "use_ssd": False},
    {"detector": "dense"},
    {"detector": "dense", "alignment": "match", "proposal_current": "matched", "proposals_weigh": True},
]


def built(config, **changes):
    torch.manual_seed(0)
    return SpikeMba(dataclasses.replace(config, **changes), video_width=6, text_width=5)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_a_query_alone_gives_what_it_gives_in_a_padded_batch(tiny, make_batch, changes):
    model = built(tiny, **changes).eval()
    together = model(make_batch())
    for sample in range(3):
        batch = make_batch([sample])
        alone, count = model(batch), batch.video.shape[1]
        torch.testing.assert_close(together.foreground_logits[sample, :count], alone.foreground_logits[0])
        torch.testing.assert_close(together.boundaries[sample, :count], alone.boundaries[0])
        torch.testing.assert_close(together.saliency[sample, :count], alone.saliency[0])
        for padded, unpadded in zip(together.spikes, alone.spikes, strict=True):
            torch.testing.assert_close(padded[:, sample, :count], unpadded[:, 0])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_gradient_reaches_every_parameter(tiny, make_batch, changes):
    model = built(tiny, **changes).train()
    output = model(make_batch())
    parts = (output.foreground_logits, output.boundaries, output.saliency, output.words, *output.spikes)
    sum((part * torch.randn_like(part)).sum() for part in parts if part is not None).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    # a bias in front of a batch normalisation has no effect; neither has a shift of all attention scores
    effectless = ("q_proj.bias", "k_proj.bias", "v_proj.bias", "out_proj.bias", "score.bias")
    assert {name for name in without if not name.endswith(effectless)} == set()


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_query_matters_everywhere(tiny, make_batch, changes):
    model, batch = built(tiny, **changes).eval(), make_batch()
    asked = model(batch)
    other = model(dataclasses.replace(batch, text=batch.text.roll(1, 0)))
    assert (asked.foreground_logits - other.foreground_logits).abs()[batch.video_mask].min() > 0


def test_spikes_are_whole_and_binary(tiny, make_batch):
    output = built(tiny)(make_batch())
    assert [spikes.shape for spikes in output.spikes] == [(3, 3, 9, 16)] * 2
    assert all(set(spikes.unique().tolist()) <= {0, 1} for spikes in output.spikes)


def test_more_time_steps_can_be_read_out_of_a_built_model(tiny, make_batch):
    model = built(tiny).eval()
    model.num_timesteps = 7
    assert model(make_batch()).spikes[0].shape[0] == 7


def test_boundaries_are_never_negative(tiny, make_batch):
    assert built(tiny)(make_batch()).boundaries.min() >= 0


def test_paper_preset_has_the_published_shape():
    config = SpikeMbaConfig()
    assert (config.width, config.num_blocks, config.num_timesteps) == (256, 6, 8)
    model = SpikeMba(config, video_width=514, text_width=300)
    assert len(model.blocks) == 6
    assert model.blocks[0].mrm.ssm.directions[0].A_log.shape == (512, 16)


def test_sinusoids_are_those_of_the_formula():
    table = sinusoids((4, 6), torch.zeros(1))
    assert table[3, 2] == pytest.approx(torch.sin(torch.tensor(3 / 10000 ** (2 / 6))).item())
    assert table[3, 3] == pytest.approx(torch.cos(torch.tensor(3 / 10000 ** (2 / 6))).item())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_timesteps": 0}, "num_timesteps: expected at least 1, got 0"),
        ({"num_slots": -1}, "num_slots: expected at least 0, got -1"),
        ({"num_heads": 7}, "num_heads: expected a divisor of width 256, got 7"),
        ({"dropout": 1.0}, "dropout: expected a share in"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(changes, words):
    with pytest.raises(InputError, match=words):
        SpikeMbaConfig(**changes)


def test_it_runs_in_mixed_precision(tiny, make_batch):
    model, batch = built(tiny).train(), make_batch()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
    parts = (output.foreground_logits, output.boundaries, output.saliency, output.spikes[-1])
    sum((part.float() * torch.randn(part.shape)).sum() for part in parts).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    model.eval()
    with torch.no_grad():
        expected = model(batch)
        with torch.autocast("cpu", torch.bfloat16):
            output = model(batch)
    mask = batch.video_mask
    torch.testing.assert_close(output.boundaries.float()[mask], expected.boundaries[mask], rtol=0.1, atol=0.3)


def test_proposals_stand_in_for_the_cosine_where_there_is_a_detector(tiny):
    settings = {"proposals_weigh": True, "proposals_replace": True}
    assert built(tiny, **settings).saliency_gain is None
    assert built(tiny, **settings, use_ssd=False).saliency_gain is not None
    with pytest.raises(InputError, match="proposals_replace: expected false where proposals_weigh is false"):
        built(tiny, proposals_replace=True)


def test_rates_under_another_query_are_those_of_the_batch_asked_that_way(tiny, make_batch):
    loss = dataclasses.replace(tiny.loss, query_contrast=1.0)
    model, batch = built(tiny, loss=loss, dropout=0.0, input_dropout=0.0).train(), make_batch()
    rolled = dataclasses.replace(batch, text=batch.text.roll(1, 0), text_mask=batch.text_mask.roll(1, 0))
    expected = clip_rates(model(rolled).spikes[-1])
    torch.testing.assert_close(model(batch).other_rates, expected)
    model.losses(model(batch), batch)["query"].backward()
    assert model.blocks[-1].ssd.out_proj.weight.grad.any()
    assert model.eval()(batch).other_rates is None


def test_boundaries_can_be_read_off_the_proposals_alone(tiny, make_batch):
    model, batch = built(tiny, boundaries_read="proposals").eval(), make_batch()
    with torch.no_grad():
        expected = model(batch).boundaries
        model.norm.weight.zero_()  # what the last block puts out reaches nothing
        torch.testing.assert_close(model(batch).boundaries, expected)
        model.blocks[-1].ssd.out_norm.bias.fill_(100.0)  # all fire
        assert not torch.allclose(model(batch).boundaries, expected)
    assert built(tiny, boundaries_read="proposals", use_ssd=False)(batch).boundaries.shape == expected.shape


def test_the_dense_detector_takes_the_place_of_the_spikes(tiny, make_batch):
    settings = {"alignment": "match", "proposal_current": "matched", "proposals_weigh": True}
    spiking, dense = (built(tiny, **settings, detector=kind) for kind in ("spiking", "dense"))
    assert dense.state_dict().keys() == spiking.state_dict().keys()
    assert dense.spike_layers() == dense.proposing_layers() == {} != spiking.spike_layers()
    output = dense.train()(make_batch([0, 1]))
    (gradient,) = torch.autograd.grad(output.foreground_logits.sum(), dense.blocks[-1].ssd.match_gain)
    assert output.spikes[-1].shape[0] == 1 and output.spikes[-1].min() >= 0
    assert output.spikes[-1].unique().numel() > 10 and gradient.abs().max() > 0


@pytest.mark.parametrize("settings", [{"feedback": True}, {"encoding": "poisson"}, {"encoding": "between"}])
def test_a_dense_detector_with_settings_of_neurons_is_refused(tiny, settings):
    with pytest.raises(InputError, match=r"^detector: dense has no neurons; expected feedback=false"):
        dataclasses.replace(tiny, detector="dense", **settings)
