"""The contract holds what models to come will be: shapes.py beside this file has one of each, and none of ours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from snnvtg.data import DataSplits, GroundingDataset, feature_statistics
from snnvtg.data.controls import CONTROLS
from snnvtg.data.folds import without_fold
from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.models import GroundingModel, Needs, Recipe, TrainingConfig, model_class
from snnvtg.records import Batch, Query
from snnvtg.sweeps.comparison import read_results
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.measurement import cost
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.report import render
from snnvtg.sweeps.trial import Trial
from snnvtg.training import evaluate, load_checkpoint, train
from snnvtg.training.evaluation import predict_split, video_scores

HERE = Path(__file__).parent
SMALL = SyntheticConfig(num_train=16, num_val=6, num_test=6, min_clips=20, max_clips=31, long_range_fraction=0)
QUICK = TrainingConfig(epochs=2, batch_size=4, learning_rate=1e-2)
PATCHES, WIDTH, TEXT = 5, 6, 4


def found(name, **settings):
    """The recipe of a class of shapes.py."""
    cls = model_class(f"{HERE / 'shapes.py'}:{name}")
    return Recipe(cls, cls.config_class(**settings), QUICK)


def layered(num_layers, queries=6):
    """A data set in memory of K feature layers, a class token and patches: `queries` videos of 5 to 7 clips a split."""
    generator = np.random.default_rng(0)
    datasets = {}
    for split in ("train", "val", "test"):
        asked, videos, texts = [], {}, []
        for number in range(queries):
            vid, length = f"{split}_{number}", 5 + number % 3
            asked.append(Query(vid, "words", vid, float(length), ((1.0, 3.0),)))
            videos[vid] = generator.standard_normal((length, num_layers, PATCHES, WIDTH), dtype=np.float32)
            texts.append(generator.standard_normal((2 + number % 2, num_layers, TEXT), dtype=np.float32))
        datasets[split] = GroundingDataset(tuple(asked), videos, tuple(texts), 1.0)
    return DataSplits(
        **datasets, name="layered", checksum="0", video_width=WIDTH, text_width=TEXT, clip_length=1.0,
        num_layers=num_layers,
    )  # fmt: skip


CASES = {
    "map": (found("ProposalMap"), lambda: generate(SMALL)),
    "pyramid": (found("Pyramid"), lambda: generate(SMALL)),
    "two levels": (found("Pyramid", strides=(1, 4)), lambda: generate(SMALL)),
    "layers": (found("Layers"), lambda: layered(3)),
}


@pytest.fixture(params=CASES)
def case(request):
    recipe, data = CASES[request.param]
    return recipe, data()


def test_each_shape_is_trained_kept_found_again_and_scored(case, tmp_path):
    recipe, data = case
    trained = train(recipe, data, seed=0, folder=tmp_path, quiet=True)
    losses = [epoch["loss"] for epoch in trained.progress["history"]]
    assert len(losses) == 2 and losses[1] < losses[0]
    again = load_checkpoint(tmp_path / "best.pt", recipe.model_class)
    assert again.recipe == recipe
    figures, answers = evaluate(again.build(), data.test)
    assert set(figures) == {"R1@0.3", "R1@0.5", "R1@0.7", "mIoU"}
    for answer, query in zip(answers, data.test.queries, strict=True):
        scores = [score for *_, score in answer.pred_relevant_windows]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= start <= end <= query.duration for start, end, _ in answer.pred_relevant_windows)
        assert len(answer.pred_saliency_scores) == len(data.test.videos[query.vid])


def test_each_shape_answers_alike_alone_and_in_a_padded_batch(case):
    recipe, data = case
    torch.manual_seed(0)
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    together = predict_split(model, data.test, batch_size=6)
    for alone, padded in zip(predict_split(model, data.test, batch_size=1), together, strict=True):
        np.testing.assert_allclose(alone.pred_relevant_windows, padded.pred_relevant_windows, atol=1e-4)
        np.testing.assert_allclose(alone.pred_saliency_scores, padded.pred_saliency_scores, atol=1e-4)


@pytest.mark.parametrize("control", CONTROLS)
def test_each_shape_is_asked_under_every_control(case, control):
    recipe, data = case
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    taken = CONTROLS[control](data.test, 0)
    assert len(evaluate(model, taken)[1]) == len(data.test)


def test_each_shape_is_priced(case):
    recipe, data = case
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    figures = cost(model, data.test.subset(range(2)))
    assert figures["energy_pj"] > 0 and figures["firing_rate"] is None and figures["coverage"] > 0.9


def test_layers_and_patches_reach_the_model_as_axes():
    data = layered(3)
    batch = data.train.batch([0, 1, 2])
    assert batch.video.shape == (3, 7, 3, PATCHES, WIDTH) and batch.text.shape == (3, 3, 3, TEXT)
    assert batch.video[0, 5:].abs().sum() == 0 and batch.text[0, 2:].abs().sum() == 0
    mean, deviation = feature_statistics(data.train)
    assert mean.shape == deviation.shape == (3, PATCHES, WIDTH)
    held_out = without_fold(data, 0, 3)
    assert held_out.num_layers == 3 and len(held_out.test) == 2


def test_a_control_of_layered_videos_keeps_their_shape_and_has_no_time_endpoints():
    split = layered(2).test
    still = CONTROLS["constant-video"](split, 0)
    for vid, video in split.videos.items():
        np.testing.assert_allclose(still.videos[vid], np.broadcast_to(video.mean(0), video.shape), rtol=1e-6)


@pytest.mark.parametrize("there", [1, 2, 4])
def test_data_of_another_number_of_layers_is_refused_before_training(there):
    with pytest.raises(InputError, match=f"Layers reads 3 feature layers, layered has {there}; extract"):
        train(found("Layers"), layered(there), seed=0, quiet=True)


def test_a_model_of_one_layer_refuses_layered_data():
    with pytest.raises(InputError, match="Pyramid reads 1 feature layers, layered has 3"):
        train(found("Pyramid"), layered(3), seed=0, quiet=True)


def test_shapes_stand_beside_one_another_in_one_sweep(tmp_path):
    text = f"""
        name: shapes
        title: Shapes
        seeds: [0]
        reference: pyramid
        controls: [shuffled-query]
        rows:
          pyramid: {{}}
          map: {{model: "{HERE / "shapes.py"}:ProposalMap"}}
        grid:
          model.strides: [[1, 4], [1]]
    """
    base = Trial(found("Pyramid"), DataSource(synthetic=SMALL))
    run_sweeps([parse_sweep(text)], base, [tmp_path / "shapes.csv"], tmp_path / "runs")
    results = read_results(tmp_path / "shapes.csv")
    assert results.rows == ["pyramid", "map", "strides=1-4", "strides=1"]
    assert results.untrained == ["prior"] and results.missing == {}
    assert results.of("map")["model"].tolist() == ["shapes:ProposalMap"]
    assert "| map " in render(tmp_path / "shapes.csv") + (tmp_path / "shapes.md").read_text()
    assert results.controls == ["shuffled-query"]


class Pairs(GroundingModel):
    """Ranks videos pair by pair: how much of the query's first word is in the video, per clip."""

    config_class = SyntheticConfig

    @property
    def needs(self):
        return Needs(every_video=True)

    def forward(self, batch: Batch):
        assert all(not query.relevant_windows for query in batch.queries)
        assert batch.text.shape[1] == int(batch.text_mask.sum(1)[0])
        return torch.einsum("bld,bd->bl", batch.video, batch.text[:, 0])

    def relevance(self, output, batch: Batch):
        return output.masked_fill(~batch.video_mask, 0).sum(1) / batch.video_mask.sum(1)

    losses = predict = None


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_every_query_meets_every_video_pair_by_pair_where_a_model_has_no_search(batch_size):
    split = layered(1).test
    split = replace(split, videos={vid: video[:, 0, 0, :TEXT] for vid, video in split.videos.items()})
    split = replace(split, texts=tuple(text[:, 0] for text in split.texts))
    scores, vids = video_scores(Pairs(SMALL, TEXT, TEXT), split, batch_size=batch_size)
    expected = [[float((split.videos[vid] @ text[0]).mean()) for vid in vids] for text in split.texts]
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_model_that_needs_every_video_and_ranks_none_is_refused_before_training():
    class Silent(found("Pyramid").model_class):
        needs = Needs(every_video=True)

    with pytest.raises(InputError, match="Silent needs every video, and lacks `search` or `relevance`"):
        train(Recipe(Silent, Silent.config_class(), QUICK), generate(SMALL), seed=0, quiet=True)


def test_rows_scored_by_different_figures_are_refused_before_training(tmp_path):
    retrieval = HERE.parent / "users" / "retrieval.py"
    text = f"name: mixed\ntitle: Mixed\nseeds: [0]\nrows: {{a: {{}}, b: {{model: '{retrieval}:Retrieval'}}}}"
    base = Trial(found("Pyramid"), DataSource(synthetic=SMALL))
    with pytest.raises(InputError, match="row 'b' is scored by video_retrieval, row 'a' by recall"):
        run_sweeps([parse_sweep(text)], base, [tmp_path / "mixed.csv"], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


class Fickle(GroundingModel):
    """Ranks every query's own video first after its second step of training, and last after any other."""

    config_class = SyntheticConfig
    predict = None

    def __init__(self, config, video_width, text_width):
        super().__init__(config, video_width, text_width)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("steps", torch.zeros(()))

    @property
    def needs(self):
        return Needs(every_video=True)

    def forward(self, batch: Batch):
        self.steps += self.training
        return self.weight.sum()

    def losses(self, output, batch: Batch):
        return {"weight": output}

    def index(self, videos: Batch):
        return [query.vid for query in videos.queries]

    def search(self, queries: Batch, videos):
        own = torch.tensor([[float(query.qid == vid) for vid in videos] for query in queries.queries])
        return own if self.steps == 2 else -own


def test_retrieval_keeps_the_epoch_with_the_best_ranks_over_the_whole_split():
    # six videos: a query's own ranks first (R@1, 5, 10, 100 = 100 each) or last (R@5 = 0, R@10 = 100)
    training = TrainingConfig(epochs=3, batch_size=6)
    trained = train(Recipe(Fickle, SyntheticConfig(), training), layered(1), seed=0, quiet=True)
    assert [epoch["SumR"] for epoch in trained.progress["history"]] == [200, 400, 200]
    assert trained.progress["best_epoch"] == 2 and trained.state["steps"] == 2


def test_a_model_is_told_each_epoch_and_gets_the_queries_of_a_video_together(tmp_path):
    told = []

    class Told(found("Pyramid").model_class):
        needs = Needs(videos_together=True)

        def begin_epoch(self, epoch):
            told.append(epoch)

        def forward(self, batch):
            if self.training:
                told.append([query.vid for query in batch.queries])
            return super().forward(batch)

    data = generate(SMALL)
    queries = tuple(replace(query, vid=data.train.queries[i % 2].vid) for i, query in enumerate(data.train.queries))
    data = replace(data, train=replace(data.train, queries=queries))
    recipe = Recipe(Told, Told.config_class(), QUICK)
    train(recipe, data, seed=0, folder=tmp_path, quiet=True)
    assert [entry for entry in told if isinstance(entry, int)] == [0, 1]
    assert all(len(set(entry)) == 1 for entry in told if isinstance(entry, list))
    told.clear()
    longer = replace(recipe, training=replace(QUICK, epochs=3))
    with pytest.raises(InputError, match="other settings"):
        train(longer, data, seed=0, folder=tmp_path, quiet=True)
    again = load_checkpoint(tmp_path / "last.pt", Told)
    assert again.progress["epoch"] == 2


def test_a_model_without_vectors_says_so():
    model = found("Pyramid")
    with pytest.raises(InputError, match="Pyramid has no `video_vectors` to search by; choose another model"):
        model.model_class(model.model, WIDTH, TEXT).video_vectors(None)
