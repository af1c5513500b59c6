import dataclasses
from pathlib import Path

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models import Recipe
from snnvtg.models.spikemba import SpikeMba
from snnvtg.training import evaluate, load_checkpoint, train
from snnvtg.training.loop import _Run


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def run(data, model, training, **options):
    return train(Recipe(SpikeMba, model, training), data, quiet=True, **{"seed": 1, **options})


def test_one_seed_gives_one_result_and_another_seed_another(small_data, tiny, quick):
    first, again, other = (run(small_data, tiny, quick, seed=seed) for seed in (1, 1, 2))
    assert first.progress == again.progress
    assert same(first.state, again.state)
    assert not same(first.state, other.state)


@pytest.mark.parametrize("alignment", ["none", "ridge"])
def test_an_interrupted_run_ends_like_an_undisturbed_one(small_data, tiny, quick, tmp_path, monkeypatch, alignment):
    tiny = dataclasses.replace(tiny, alignment=alignment)
    undisturbed = run(small_data, tiny, quick)
    epochs = _Run.one_epoch

    def killed_in_the_second(self):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return epochs(self)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_Run, "one_epoch", killed_in_the_second)
        run(small_data, tiny, quick, folder=tmp_path)
    torch.rand(7)  # whatever happened to the generator in between
    resumed = run(small_data, tiny, quick, folder=tmp_path)
    assert resumed.progress["history"] == undisturbed.progress["history"]
    assert same(resumed.state, undisturbed.state)


def test_training_lowers_the_loss_and_beats_an_untrained_model(small_data, tiny, quick):
    longer = dataclasses.replace(quick, epochs=12, learning_rate=3e-3, word_dropout=0)
    history = run(small_data, tiny, longer).progress["history"]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


def test_the_best_epoch_is_kept(small_data, tiny, quick):
    checkpoint = run(small_data, tiny, quick)
    history = [figures["mIoU"] for figures in checkpoint.progress["history"]]
    assert checkpoint.progress["best_epoch"] == history.index(max(history)) + 1
    metrics, predictions = evaluate(checkpoint.build(), small_data.val)
    assert metrics["mIoU"] == pytest.approx(max(history))
    assert [prediction.qid for prediction in predictions] == [query.qid for query in small_data.val.queries]


def test_another_configuration_does_not_go_on_from_a_foreign_run(small_data, tiny, quick, tmp_path):
    run(small_data, tiny, quick, folder=tmp_path)
    with pytest.raises(InputError, match=r"last\.pt: belongs to a run with other settings"):
        run(small_data, tiny, dataclasses.replace(quick, learning_rate=1e-4), folder=tmp_path)


def test_divergence_is_said_with_the_remedy(small_data, tiny, quick):
    with pytest.raises(InputError, match=r"training diverged at step \d+ .*lower learning_rate"):
        run(small_data, tiny, dataclasses.replace(quick, learning_rate=1e30, epochs=2))


def test_half_precision_on_a_cpu_is_refused(small_data, tiny, quick):
    with pytest.raises(InputError, match="bf16 needs a GPU"):
        run(small_data, tiny, dataclasses.replace(quick, precision="bf16"))


def test_inputs_are_standardised_by_the_training_set(small_data, tiny):
    model = SpikeMba(tiny, small_data.video_width, small_data.text_width)
    model.fit(small_data.train)
    rows = torch.cat(
        [
            torch.from_numpy(video)
            for video in {q.vid: small_data.train.videos[q.vid] for q in small_data.train.queries}.values()
        ]
    )
    scaled = (rows - model.project_vis.mean) * model.project_vis.scale
    torch.testing.assert_close(scaled.mean(0), torch.zeros(rows.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(rows.shape[1]), atol=1e-3, rtol=0)


def test_inputs_stay_as_they_are_where_that_is_asked_for(small_data, tiny):
    raw = SpikeMba(dataclasses.replace(tiny, standardise=False), small_data.video_width, small_data.text_width)
    raw.fit(small_data.train)
    for project, rows in (
        (raw.project_vis, small_data.test.batch([0]).video),
        (raw.project_tex, small_data.test.batch([0]).text),
    ):
        assert torch.equal(project.standardised(rows), rows)


def test_a_checkpoint_comes_back_from_disk(small_data, tiny, quick, tmp_path, make_batch):
    checkpoint = run(small_data, tiny, quick)
    checkpoint.save(tmp_path / "model.pt")
    loaded = load_checkpoint(tmp_path / "model.pt")
    assert loaded.recipe == Recipe(SpikeMba, tiny, quick)
    batch = small_data.test.batch(range(4))
    torch.testing.assert_close(loaded.build()(batch).boundaries, checkpoint.build()(batch).boundaries, rtol=0, atol=0)


def test_a_checkpoint_refuses_features_in_another_order(small_data, tiny, quick):
    checkpoint = run(small_data, tiny, dataclasses.replace(quick, epochs=1))
    checkpoint.require(small_data, Path("model.pt"))
    swapped = dataclasses.replace(small_data, feature_names=("clip", "slowfast"))
    with pytest.raises(InputError, match=r"model\.pt: was trained with feature_names .*slowfast"):
        checkpoint.require(swapped, Path("model.pt"))


@pytest.mark.parametrize("length", [0, 100, -1])
def test_a_cut_checkpoint_is_one_clear_error(small_data, tiny, quick, tmp_path, length):
    path = tmp_path / "model.pt"
    run(small_data, tiny, dataclasses.replace(quick, epochs=1)).save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"model\.pt: not a readable checkpoint, perhaps cut short") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_a_missing_or_foreign_checkpoint_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.pt: no such checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text('{"qid": 1}')
    with pytest.raises(InputError, match=r"text\.pt: not a readable checkpoint.*something else than tensors"):
        load_checkpoint(tmp_path / "text.pt")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: not a checkpoint of this version"):
        load_checkpoint(tmp_path / "other.pt")
