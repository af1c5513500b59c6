import dataclasses

import pytest
import torch
from torch import nn

from snnvtg.energy import Ledger
from snnvtg.energy.twins import dense_twin
from snnvtg.errors import InputError
from snnvtg.instrumentation.rasters import Rasters
from snnvtg.models.r2_tuning import R2Tuning, R2TuningConfig
from snnvtg.neurons import LIF

VARIANTS = [
    {},
    {"num_layers": 1},
    {"num_layers": 3, "strides": (1,)},
    {
        "num_layers": 1,
        "time_endpoints": False,
        "centre_videos": True,
        "foreground_reads_saliency": True,
        "standardise": True,
    },
    {"saliency_of": "frames", "foreground_reads_saliency": True, "point_place": "centre"},
    {"spiking": "both"},
    {"num_layers": 1, "spiking": "ffn"},
]


def test_the_papers_model_for_qvhighlights_has_its_published_parameters():
    model = R2Tuning(R2TuningConfig(), video_width=768, text_width=512)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    linear = lambda a, b: a * b + b  # noqa: E731
    norm, c = lambda a: 2 * a, 256
    maps = sum(norm(i) + linear(i, c) + norm(c) + linear(c, c) for i in (768 + 2, 512))
    refinement = 8 * linear(c, c) + linear(c, 4 * c) + linear(4 * c, c) + 3 * norm(c)
    pooled, gates = c + 2 * linear(c, c), 4 + 3  # of the query, w_q and w_v; g of four steps, φ of three
    assert counts["block"] == maps + refinement + pooled + gates
    assert counts["pyramid"] == (1 + 2 + 3) * (linear(2 * c, c) + norm(c))
    assert [counts["foreground"], counts["boundary"]] == [linear(3 * c, c) + linear(3 * c, out) for out in (1, 2)]
    factors = 4  # of the distances, one for each level
    assert sum(counts.values()) + factors == sum(p.numel() for p in model.parameters()) == 2_836_242


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_a_query_alone_gives_what_it_gives_in_a_padded_batch(built, layered_batch, valid, changes):
    model, layers = built(**changes), changes.get("num_layers", 2)
    for bias in (m.bias for m in model.modules() if isinstance(m, nn.Linear) and m.bias is not None):
        nn.init.normal_(bias)  # a bias carries padding where nothing else would
    if layers > 1:
        nn.init.constant_(model.block.spatial_gate, 0.7)
    together = model(layered_batch(num_layers=layers))
    for sample, length in enumerate((9, 5, 7)):
        alone = valid(model(layered_batch([sample], layers)), 0, length)
        for name, value in valid(together, sample, length).items():
            torch.testing.assert_close(value, alone[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_queries_of_a_batch_do_not_see_one_another(built, layered_batch, changes):
    model, batch = built(**changes), layered_batch(num_layers=changes.get("num_layers", 2))
    batch.video.requires_grad_(), batch.text.requires_grad_()
    output = model(batch)
    (output.class_logits[0].sum() + output.distances[0].sum() + output.saliency[0].sum()).backward()
    assert batch.video.grad[0].any() and batch.text.grad[0].any()
    assert not batch.video.grad[1:].any() and not batch.text.grad[1:].any()


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_losses_reach_every_parameter(built, layered_batch, changes):
    layers = changes.get("num_layers", 2)
    model, batch = built(**changes).train(), layered_batch(num_layers=layers)
    with torch.no_grad():  # closed gates let no gradient through
        if layers > 1:
            model.block.spatial_gate.fill_(0.5)
    output = model(batch)
    loss = sum((part * torch.randn_like(part)).sum() for part in (output.class_logits, output.distances.log()))
    (loss + sum(model.losses(output, batch).values())).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    # a shift of all attention scores has no effect, neither has a bias in front of a batch normalisation
    effectless = ("key.bias", "first.bias") if "spiking" in changes else ("key.bias",)
    assert {name for name in without if not name.endswith(effectless)} == set()


@torch.no_grad()
def test_a_head_looks_into_its_own_level_only(built, layered_batch):
    model, batch = built(), layered_batch([0])
    levels, mask = model.pyramid(torch.randn(1, 9, 16), batch.video_mask)
    before = model._told(model.foreground, levels, mask)
    levels[:, :9] = torch.randn(1, 9, 16)  # the first level
    after = model._told(model.foreground, levels, mask)
    assert (before != after)[:, :9].all() and torch.equal(before[:, 10:], after[:, 10:])


@torch.no_grad()
def test_saliency_is_the_cosine_of_a_clip_and_the_query_of_the_last_step(built, layered_batch):
    output = built()(layered_batch())
    h, q = output.clips[1, 3], output.queries[1, -1]
    torch.testing.assert_close(output.saliency[1, 3], h @ q / (h.norm() * q.norm()))
    # or, as a setting, of the last layer's class token, which comes first, and its query
    output = built(saliency_of="frames")(layered_batch())
    v, q = output.frames[1, 0, 3], output.queries[1, 0]
    torch.testing.assert_close(output.saliency[1, 3], v @ q / (v.norm() * q.norm()))


@torch.no_grad()
def test_time_endpoints_are_those_of_the_clips_that_are_there(built, layered_batch):
    video, _ = built()._inputs(layered_batch())
    assert video.shape == (3, 9, 2, 4, 8)
    torch.testing.assert_close(video[1, 4, 1, 3, -2:], torch.tensor([0.8, 1.0]))  # the last of five clips


@torch.no_grad()
def test_plain_features_have_the_endpoints_they_were_stored_with(built, layered_batch):
    batch = layered_batch(num_layers=1)
    with_own = dataclasses.replace(batch, video=batch.video.clone())
    with_own.video[..., -2:] = 77.0  # counted from the clips, not read
    model = built(num_layers=1)
    assert torch.equal(model(batch).class_logits, model(with_own).class_logits)


@torch.no_grad()
def test_centred_videos_lose_what_all_their_clips_share(built, layered_batch):
    model, batch = built(centre_videos=True), layered_batch()
    moved = dataclasses.replace(batch, video=batch.video + 3 * batch.video_mask[:, :, None, None, None])
    found, expected = (model(asked).saliency[batch.video_mask] for asked in (moved, batch))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_the_saliency_a_point_reads_is_averaged_over_its_clips(built, layered_batch):
    reading, batch = built(foreground_reads_saliency=True), layered_batch([1])  # five clips
    without = built()
    added = (reading(batch).class_logits - without(batch).class_logits)[0] / reading.saliency_gain
    cosine = without(batch).saliency[0]
    torch.testing.assert_close(added[:5], cosine)
    torch.testing.assert_close(added[8], cosine[4])  # the last pair has one clip
    torch.testing.assert_close(added[10:12], torch.stack([cosine[:4].mean(), cosine[4]]))


@torch.no_grad()
def test_windows_are_read_off_points_and_suppressed(built, layered_batch):
    model, batch = built(top=3, nms_threshold=0.5), layered_batch([0])
    output = model(batch)
    logits = torch.full_like(output.class_logits, -9.0)
    logits[0, 2], logits[0, 3], logits[0, 11] = 2.0, 1.0, 0.0  # clips 2 and 3, the second point of stride 2
    distances = torch.ones_like(output.distances)
    distances[0, 3] = torch.tensor([2.0, 0.2])  # (1, 3.2) overlaps (1, 3)
    distances[0, 11] = torch.tensor([0.0, 9.0])  # from 2 on for 18 clips, cut to nine
    found = model.predict(dataclasses.replace(output, class_logits=logits, distances=distances), batch)[0]
    sigmoid = torch.tensor([2.0, 0.0]).sigmoid().tolist()
    expected = [(1.0, 3.0, sigmoid[0]), (2.0, 9.0, sigmoid[1])]
    assert [pytest.approx(window) for window in found.pred_relevant_windows] == expected
    assert found.pred_saliency_scores == pytest.approx(output.saliency[0].tolist())


@torch.no_grad()
def test_agreement_answers_with_what_most_points_propose(built, layered_batch):
    model, batch = built(decoding="expected_iou", strides=(1,)), layered_batch([0])
    output = model(batch)
    # three points of logit 1 say [2, 5], one of logit 1.2 says [6, 8]
    logits = torch.full_like(output.class_logits, -20.0)
    logits[0, [2, 3, 4]], logits[0, 6] = 1.0, 1.2
    place = output.points.place
    distances = torch.stack([place - 2, 5 - place], -1).unsqueeze(0)
    distances[0, 6] = torch.tensor([0.0, 2.0])
    output = dataclasses.replace(output, class_logits=logits, distances=distances)
    assert model.predict(output, batch)[0].pred_relevant_windows[0][:2] == (2.0, 5.0)
    alone = built(strides=(1,)).predict(output, batch)[0]
    assert alone.pred_relevant_windows[0][:2] == (6.0, 8.0)


@torch.no_grad()
def test_dropped_features_are_gone_from_every_place_of_a_sample(built):
    torch.manual_seed(0)
    block = built(drop_features=True, input_dropout=0.5).train().block
    block.map_video = block.map_video[:2]  # normalisation and dropout alone
    told = block.map_video(torch.randn(2, 50, 8))
    gone = told == 0
    assert (gone == gone[:, :1]).all() and gone.any() and not gone.all()
    assert (gone[0] != gone[1]).any()


@torch.no_grad()
def test_summaries_are_scored_by_the_foreground_of_each_clip(built, layered_batch):
    model, batch = built(strides=(1,), saliency_from="class"), layered_batch()
    output = model(batch)
    for row, answer in enumerate(model.predict(output, batch)):
        count = int(batch.video_mask[row].sum())
        assert answer.pred_saliency_scores == pytest.approx(output.class_logits[row, :count].sigmoid().tolist())


def test_the_degenerate_form_says_what_it_is(built):
    with pytest.warns(UserWarning, match=r"num_layers=1: the degenerate form on final-layer features.*--layers K$"):
        built(num_layers=1).fit(None)
    assert R2TuningConfig(num_layers=1).degenerate and "degenerate" in built(num_layers=1).form
    assert not R2TuningConfig().degenerate and built(num_layers=3).form == "R²-Tuning on 3 layers"
    assert (built(num_layers=1).needs.num_layers, built(num_layers=3).needs.num_layers) == (1, 3)


@torch.no_grad()
@pytest.mark.parametrize(("spiking", "names"), [("ffn", 1), ("heads", 2), ("both", 3)])
def test_what_spikes_is_shown_counted_and_has_a_dense_twin(built, layered_batch, spiking, names):
    model, batch = built(num_layers=1, spiking=spiking), layered_batch([0], 1)
    shown = model.spike_layers()
    assert len(shown) == names and model.num_timesteps == 3
    with Rasters(model, tuple(shown)) as rasters, Ledger(model) as ledger:
        model(batch)
    assert rasters.keys() == shown.keys()
    for (spikes,) in rasters.values():
        assert len(spikes) == 3 and spikes.shape[2] >= 9 and set(spikes.unique().tolist()) <= {0, 1}
    assert ledger.totals["synops"] > 0 and ledger.coverage == 1, ledger.unpriced
    twin = dense_twin(model)
    assert not [m for m in twin.modules() if isinstance(m, LIF)]
    with Ledger(twin) as dense:
        twin(batch)
    assert dense.totals["synops"] == 0


@pytest.mark.parametrize("spiking", ["none", "both"])
def test_it_trains_in_mixed_precision(built, layered_batch, spiking):
    model, batch = built(spiking=spiking).train(), layered_batch()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
    sum(model.losses(output, batch).values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert len(model.predict(output, batch)) == 3


def test_the_papers_form_has_no_spikes(built, layered_batch):
    model = built()
    assert model.num_timesteps is None and not model.spike_layers()
    with torch.no_grad(), Ledger(model) as ledger:
        model(layered_batch([0]))
    assert ledger.coverage == 1, ledger.unpriced


@pytest.mark.parametrize("preset", ["paper", "small", "demo"])
def test_presets_and_the_papers_settings_build_a_model(preset):
    recipe = R2Tuning.recipe(preset)
    assert recipe.model.degenerate == (preset != "paper")
    assert R2Tuning.paper_settings("charades_sta")["training.learning_rate"] == 2.5e-4
    assert R2Tuning.paper_settings("tvsum")["model.saliency_from"] == "class"
    assert R2Tuning.paper_settings("activitynet_captions") == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_layers": 0}, "num_layers: expected a number from 1 to 65536, got 0"),
        ({"num_heads": 7}, "num_heads: expected a divisor of width 256, got 7"),
        ({"drop_path": 1.0}, r"drop_path: expected a share in \[0, 1\), got 1.0"),
        ({"standardise": True}, "standardise: expected false with num_layers=4, of videos on disk"),
        ({"strides": (1, 3)}, r"strides: expected 1 and its doubles, as 1,2,4,8, got \(1, 3\)"),
        ({"centre_radius": 0.0}, "centre_radius: expected a finite number above 0, got 0.0"),
        ({"nms_threshold": 2.0}, "nms_threshold: expected an IoU from 0 to 1, got 2.0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(changes, words):
    with pytest.raises(InputError, match=words):
        R2TuningConfig(**changes)
