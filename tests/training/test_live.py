"""A run that is watched: what is told of each epoch, and that nothing else changes."""

import sys

import pandas as pd
import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.training import train
from snnvtg.training.live import watcher
from snnvtg.training.loop import _Run


@pytest.fixture
def run(recipe, tiny, quick, small_data):
    return lambda **options: train(recipe(tiny, quick), small_data, seed=1, **options)


def test_watching_changes_no_weight_and_no_figure(run, tmp_path):
    plain, watched = run(quiet=True), run(quiet=True, watch=watcher("csv", tmp_path))
    assert plain.progress == watched.progress
    assert all(torch.equal(plain.state[name], watched.state[name]) for name in plain.state)


def test_a_line_per_epoch_with_losses_rates_and_validation(run, tmp_path):
    checkpoint = run(quiet=True, watch=watcher("csv", tmp_path))
    table = pd.read_csv(tmp_path / "live.csv")
    assert table["epoch"].tolist() == [1, 2, 3]
    for place, figures in enumerate(checkpoint.progress["history"]):
        assert table.loc[place, list(figures)].to_dict() == pytest.approx(figures)
    terms = table.filter(like="loss/")
    torch.testing.assert_close(torch.tensor(terms.sum(axis=1)), torch.tensor(table["loss"]), rtol=1e-5, atol=1e-6)
    rates = table.filter(like="firing_rate/")
    assert {f"firing_rate/blocks.{b}.ssd.{n}_lif" for b in (0, 1) for n in ("q", "k", "v", "out")} == set(rates)
    assert ((rates >= 0) & (rates < 1)).all(axis=None) and (rates > 0).any(axis=None)


def test_a_resumed_run_goes_on_below_its_lines(run, tmp_path, monkeypatch):
    epochs = _Run.one_epoch

    def killed_in_the_third(self):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return epochs(self)

    told = {"quiet": True, "folder": tmp_path, "watch": watcher("csv", tmp_path)}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_Run, "one_epoch", killed_in_the_third)
        run(**told)
    assert len(pd.read_csv(tmp_path / "live.csv")) == 2
    run(**told)
    assert pd.read_csv(tmp_path / "live.csv")["epoch"].tolist() == [1, 2, 3]


def test_without_tensorboard_it_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="tensorboard is not installed"):
        watcher("tensorboard", tmp_path)


def test_tensorboard_is_told_every_figure(run, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(quiet=True, watch=watcher("tensorboard", tmp_path))
    kept = EventAccumulator(str(tmp_path)).Reload()
    assert {"loss", "validation/mIoU", "firing_rate/blocks.0.ssd.q_lif"} <= set(kept.Tags()["scalars"])
    assert [event.step for event in kept.Scalars("validation/mIoU")] == [1, 2, 3]


def test_a_progress_bar_is_for_a_terminal(run, capfd, monkeypatch):
    run()
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run()
    assert "training" in capfd.readouterr().err
