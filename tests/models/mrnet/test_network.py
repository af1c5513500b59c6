"""The whole model: sizes, padding, who reads whom, spikes, and what settings refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.models import Recipe, TrainingConfig, model_class
from snnvtg.models.mrnet import MapOutput, MRNet, MRNetConfig, MRNetLossConfig
from snnvtg.models.mrnet.inputs import cells_of_clips, grid_weights
from snnvtg.models.mrnet.presets import CONFIGS, PAPER
from snnvtg.records import Query
from snnvtg.sweeps.measurement import cost
from snnvtg.sweeps.settings import trial_of
from snnvtg.training import train
from snnvtg.training.evaluation import predict_split

TINY = MRNetConfig(
    width=16, num_heads=2, expand=2, num_clips=8, pre_pool=2, input_width=12, mlp_dropout=0.0, dropout=0.0,
    map_counts=(3, 2), map_channels=6, map_layers=2, map_kernel=3, num_timesteps=2,
    loss=MRNetLossConfig(saliency=1.0),
)  # fmt: skip
FORMS = {
    "map": {},
    "moments": {"head": "moments"},
    "match": {"match_space": 4, "contrastive_gain": 2.0, "saliency_gain": 2.0},
    "standardised": {"features": "standardised", "text_pooling": "attentive"},
    "spiking": {"spiking": "both"},
}


def built(**settings):
    torch.manual_seed(0)
    return MRNet(replace(TINY, **settings), 6, 5).eval()


def parts(output):
    """Every tensor of an output that has a row for each sample."""
    answer = output.answer
    if isinstance(answer, MapOutput):
        return [answer.iou_logits, answer.cosine, answer.scores]
    return [answer.spans.transpose(0, 1), answer.logits.transpose(0, 1)]


def test_parameters_are_those_of_the_paper():
    with torch.device("meta"):
        model = MRNet(MRNetConfig(), video_width=1024, text_width=768)  # I3D and BERT
    kernel, channels, width = 9 * 9, 512, 256
    convolutions = kernel * width * channels + 3 * kernel * channels**2 + 4 * channels
    head = convolutions + 4 * 2 * channels + 2 * (channels * width + width)
    retention = 6 * width**2 + width**2 + width + 64**2  # Q, K, V of text and video; output; W_LS
    block = retention + 2 * 2 * width + (width * 4 * width + 4 * width) + (4 * width * width + width)
    video = 1024 * 512 + 512 + 2 * 512 + 512 * width + width + 2 * width + width**2 + width
    text = 768 * width + width
    found = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert found["head"] == head and found["blocks"] == 2 * block
    assert found["video_input"] == video and found["text_input"] == text
    total = sum(found.values())
    assert total == head + 2 * block + video + text + 2 * width
    assert f"{head / 1e6:.1f} of {total / 1e6:.1f}" == "74.6 of 77.5"


def test_a_cell_of_the_grid_is_the_mean_of_the_time_it_covers():
    mask = torch.tensor([[True, True, True], [True, False, False]])
    expected = torch.tensor([[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    torch.testing.assert_close(grid_weights(mask, 2), torch.stack([expected, torch.tensor([[1.0, 0, 0]] * 2)]))
    finer = grid_weights(mask[:1, :2], 4)[0]
    torch.testing.assert_close(finer, torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0], [0, 1.0]]))


def test_a_clip_reads_the_cell_of_its_centre():
    mask = torch.arange(6) < torch.tensor([[3], [6]])
    assert cells_of_clips(mask, 2)[0, :3].tolist() == [0, 1, 1]  # centres 1/3, 1 and 5/3 of two cells
    assert cells_of_clips(mask, 6)[1].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("form", FORMS)
def test_padding_and_neighbours_change_nothing(form, make_batch):
    model = built(**FORMS[form])
    with torch.no_grad():
        together = model(make_batch())
        for row in range(3):
            alone = model(make_batch([row]))
            for one, many in zip(parts(alone), parts(together), strict=True):
                torch.testing.assert_close(one[0], many[row], atol=1e-5, rtol=1e-5)
            length = alone.saliency.shape[1]
            torch.testing.assert_close(alone.saliency[0], together.saliency[row, :length], atol=1e-5, rtol=1e-5)


def test_what_lies_under_padding_is_not_read(make_batch):
    batch, model = make_batch(), built(features="standardised")
    video, text = batch.video.clone(), batch.text.clone()
    video[~batch.video_mask] = 7.0
    text[~batch.text_mask] = -7.0
    with torch.no_grad():
        clean, dirty = model(batch), model(replace(batch, video=video, text=text))
    for one, other in zip(parts(clean), parts(dirty), strict=True):
        torch.testing.assert_close(one, other)


def of_one_video(batch):
    """The batch with all queries about the first one's video; asked in the order 2, 0, 1 of their moments."""
    starts = (3.0, 1.0, 2.0)
    queries = tuple(Query(i, f"query {i}", "v0", 9.0, ((start, 5.0),)) for i, start in enumerate(starts))
    video = batch.video[:1].expand(3, -1, -1)
    return replace(batch, queries=queries, video=video, video_mask=batch.video_mask[:1].expand(3, -1))


def test_queries_of_one_video_are_read_together_only_where_asked_for(make_batch):
    batch = of_one_video(make_batch())
    other = replace(batch, text=batch.text.clone())
    other.text[2] += 1.0

    def changed(training, **settings):
        model = built(**settings).train(training)
        with torch.no_grad():
            return [
                (a - b)[0].abs().max() > 1e-6 for a, b in zip(parts(model(batch)), parts(model(other)), strict=True)
            ]

    # batch statistics of the map mix rows in training, so the trunk is looked at by moment queries
    head = {"head": "moments"}
    assert not any(changed(False)) and not any(changed(False, queries="multi"))
    assert not any(changed(True, **head, evaluation_queries="joint"))
    assert not any(changed(True, **head)) and all(changed(True, queries="multi", **head))
    assert all(changed(False, evaluation_queries="joint"))


def test_order_by_start_tells_the_answers_apart_and_own_first_does_not(make_batch):
    batch = of_one_video(make_batch())
    swapped = [replace(q, relevant_windows=((start, 5.0),)) for q, start in zip(batch.queries, (1, 2, 3), strict=True)]
    for order, leaks in (("start", True), ("own_first", False)):
        model = built(evaluation_queries="joint", query_order=order)
        with torch.no_grad():
            one, other = model(batch), model(replace(batch, queries=tuple(swapped)))
        assert (not torch.equal(one.answer.iou_logits, other.answer.iou_logits)) == leaks


def test_joint_queries_in_one_order_are_one_sequence_for_all(make_batch):
    batch = of_one_video(make_batch())
    model = built(evaluation_queries="joint", query_order="start")
    with torch.no_grad():
        logits = model(batch).answer.iou_logits
        again = model(make_order(batch, [2, 0, 1])).answer.iou_logits
    torch.testing.assert_close(logits[[2, 0, 1]], again)


def make_order(batch, order):
    names = ("video", "video_mask", "text", "text_mask", "foreground", "boundaries", "saliency")
    tensors = {name: getattr(batch, name)[order] for name in names}
    return replace(batch, queries=tuple(batch.queries[i] for i in order), **tensors)


@pytest.fixture(scope="module")
def data():
    return generate(
        SyntheticConfig(num_train=16, num_val=6, num_test=6, min_clips=20, max_clips=31, long_range_fraction=0)
    )


def test_multi_query_training_knows_the_whole_split(data, make_batch):
    model = MRNet(replace(TINY, queries="multi", head="moments"), data.video_width, data.text_width).train()
    queries = list(data.train.queries)
    queries[1] = replace(queries[1], vid=queries[0].vid)  # another query about the first video
    split = replace(data.train, queries=tuple(queries))
    batch = split.batch([0])
    with torch.no_grad():
        torch.manual_seed(0)
        before = model(batch).answer.spans
        model.fit(split)
        after = model(batch).answer.spans
        model.eval()
        torch.testing.assert_close(model(batch).answer.spans, before)  # alone again
    assert not torch.allclose(before, after)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_trained_and_answers_within_its_videos(form, data):
    recipe = Recipe(MRNet, replace(TINY, **FORMS[form]), TrainingConfig(epochs=1, batch_size=8, learning_rate=1e-2))
    trained = train(recipe, data, seed=0, quiet=True).build()
    for answer, query in zip(predict_split(trained, data.test), data.test.queries, strict=True):
        scores = [score for *_, score in answer.pred_relevant_windows]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= start <= end <= query.duration for start, end, _ in answer.pred_relevant_windows)
        assert len(answer.pred_saliency_scores) == len(data.test.videos[query.vid])
    assert trained.relevance(trained(data.test.batch([0, 1])), data.test.batch([0, 1])).shape == (2,)


@pytest.mark.parametrize("form", FORMS)
def test_every_weight_is_trained(form, data):
    model = MRNet(replace(TINY, **FORMS[form]), data.video_width, data.text_width).train()
    batch = data.train.batch(range(6))
    sum(model.losses(model(batch), batch).values()).backward()
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum()]
    assert not idle


@pytest.mark.parametrize("spiking, layers", [("ffn", 2), ("map", 2), ("both", 4)])
def test_spikes_drive_products_that_the_ledger_counts(spiking, layers, data):
    model = MRNet(replace(TINY, spiking=spiking), data.video_width, data.text_width)
    model.train()(data.train.batch(range(16)))  # statistics for the normalisation
    figures = cost(model, data.test.subset(range(2)))
    assert figures["synops"] > 0 and 0 < figures["firing_rate"] < 1 and figures["coverage"] > 0.999
    assert sum(name.startswith("firing_rate:") for name in figures) == layers


def test_a_dense_model_has_no_time_steps_and_no_synops(data):
    model = MRNet(TINY, data.video_width, data.text_width)
    figures = cost(model, data.test.subset(range(1)))
    assert model.num_timesteps is None and figures["synops"] == 0 and figures["firing_rate"] is None


def test_time_steps_may_be_changed_for_a_read_out(data):
    model = MRNet(replace(TINY, spiking="map"), data.video_width, data.text_width).train()
    batch = data.train.batch(range(6))
    for _ in range(20):  # until the normalisation knows its statistics
        model(batch)
    model.eval()
    few, fired = model(batch).answer.scores, []
    model.head.lifs[0].register_forward_hook(lambda _, __, out: fired.append(len(out)))
    model.num_timesteps = 5
    assert not torch.equal(model(batch).answer.scores, few) and fired == [5]


def test_highlights_are_scored_by_the_benchmarks_own_figures(data):
    model = MRNet(replace(TINY, head="moments"), data.video_width, data.text_width)
    rated = [
        replace(
            q,
            relevant_clip_ids=(0, 1),
            saliency_scores=((4, 4, 4), (1, 1, 1)),
            duration=2.0 * len(data.test.videos[q.vid]),
        )
        for q in data.test.queries
    ]
    split = replace(data.test, queries=tuple(rated), clip_length=2.0, evaluation="qvhighlights")
    figures = EVALUATIONS["qvhighlights"].figures(predict_split(model, split), split.queries)["brief"]
    assert {"MR-full-mAP", "HL-min-VeryGood-Hit1"} <= set(figures)


def test_two_windows_of_one_query_are_both_learned_from(data):
    query = replace(data.train.queries[0], relevant_windows=((0.0, 4.0), (10.0, 15.0)))
    batch = replace(data.train, queries=(query, *data.train.queries[1:])).batch([0, 1])
    for head in ("map", "moments"):
        model = MRNet(replace(TINY, head=head), data.video_width, data.text_width)
        assert all(np.isfinite(term.item()) for term in model.losses(model(batch), batch).values())


def test_presets_and_the_papers_settings_fit_together():
    assert set(CONFIGS) == {"paper", "demo", "small"} and model_class("mrnet") is MRNet
    for benchmark in PAPER:
        settings = [f"{name}={value}" for name, value in MRNet.paper_settings(benchmark).items()]
        trial = trial_of("paper", settings, model="mrnet")
        assert trial.recipe.training.batch_size == 12 and trial.recipe.training.gradient_clip == 5
    assert MRNet.paper_settings("tvsum") == {}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"width": 20, "num_heads": 8}, "width: expected a multiple of 2 · num_heads = 16, got 20"),
        ({"gamma": 0.0}, r"gamma: expected a number in \(0, 1\], got 0.0"),
        ({"map_kernel": 4}, "map_kernel: expected an odd number of clips, got 4"),
        ({"map_counts": ()}, "map_counts: expected numbers of at least 1"),
        ({"mlp_dropout": 1.0}, "mlp_dropout: expected a share"),
        ({"num_timesteps": 0}, "num_timesteps: expected a number from 1"),
        ({"score_power": -1.0}, "score_power: expected a finite number of at least 0"),
        ({"head": "moments", "spiking": "map"}, "spiking: head=moments has no map"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MRNetConfig(**settings)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"iou_range": (0.7, 0.3)}, "loss.iou_range: expected two IoUs"),
        ({"contrastive_temperature": 0.0}, "loss.contrastive_temperature: expected a number above 0"),
        ({"sparse": -1.0}, "loss.sparse: expected a finite number of at least 0"),
        ({"sparse_ratio": 1.5}, "loss.sparse_ratio: expected a share"),
    ],
)
def test_losses_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MRNetLossConfig(**settings)
