from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.metrics.video_retrieval import relevance, video_retrieval_metrics
from snnvtg.models import TrainingConfig, model_class
from snnvtg.sweeps import measures
from snnvtg.sweeps.measures import ranking
from snnvtg.sweeps.rivals import comparisons, published
from snnvtg.sweeps.trial import Inference
from snnvtg.training.evaluation import video_scores

SMALL = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))


def compared(*models, **options):
    return comparisons(models, "demo", SMALL, Inference(), seeds=(0,), **options)


def test_each_model_has_its_own_preset_and_its_own_forms():
    (rivals,) = compared("spikemba", "transformer", overrides=("training.epochs=3",))
    trials = rivals.sweep.trials(rivals.base)
    assert list(trials) == ["spikemba", "spikemba-dense", "transformer"]  # `spiking` is spikemba as it is
    assert trials["transformer"].recipe.model == model_class("transformer").recipe("demo").model
    assert not trials["spikemba-dense"].recipe.model.use_ssd
    assert {trial.recipe.training.epochs for trial in trials.values()} == {3}
    (plain,) = compared("spikemba", forms=False)
    assert [row.name for row in plain.sweep.rows] == ["spikemba"]


def test_published_figures_stay_with_their_source():
    table = published(["spikemba", "transformer"], "charades_sta")
    assert table.set_index("figure")["published"].to_dict()["mIoU"] == 51.74
    assert table["source"].str.contains("2024").all()
    assert published(["spikemba"], "synthetic").empty


def test_ranking_asks_some_queries_of_every_video(monkeypatch):
    data = SMALL.load()
    model = model_class("transformer")(
        model_class("transformer").recipe("demo").model, data.video_width, data.text_width
    )
    model.fit(data.train)
    whole = ranking(model, data, "test", TrainingConfig(), "cpu")
    assert whole == video_retrieval_metrics(*_scores(model, data.test))
    monkeypatch.setattr(measures, "RANKED", 2)
    assert ranking(model, data, "test", TrainingConfig(), "cpu")["R@1"] in (0, 50, 100)


def _scores(model, split):
    scores, vids = video_scores(model, split)
    return scores, relevance([query.vid for query in split.queries], vids)
