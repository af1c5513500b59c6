"""Batches made by processes of their own: the same trained model, and one line where something ends them."""

import dataclasses
import multiprocessing
import os
import signal

import pandas as pd
import pytest
import torch

from snnvtg.data.loading import Loader, _Batches
from snnvtg.errors import InputError
from snnvtg.training import train
from snnvtg.training.live import watcher


def test_loaders_change_no_figure_and_no_weight(recipe, tiny, quick, small_data, tmp_path):
    drawing = dataclasses.replace(tiny, dropout=0.3)  # from the process's generator, which loaders leave alone
    shorter = dataclasses.replace(quick, epochs=2, word_dropout=0.2)
    plain = train(recipe(drawing, shorter), small_data, seed=1)
    loaded = train(recipe(drawing, shorter), small_data, seed=1, loaders=1, watch=watcher("csv", tmp_path))
    assert plain.progress == loaded.progress
    assert all(torch.equal(plain.state[name], loaded.state[name]) for name in plain.state)
    waiting = pd.read_csv(tmp_path / "live.csv")["time/waiting_for_data"]
    assert len(waiting) == 2 and ((waiting > 0) & (waiting < 1)).all()
    assert not multiprocessing.active_children()


def test_a_loader_that_is_killed_is_one_line(small_data):
    with pytest.raises(InputError, match=r"^a loader process ended .*fewer --loaders need less$") as caught:  # noqa: SIM117
        with Loader(small_data.train, 1, 1) as loader:
            for _ in loader.batches():
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)
    assert "\n" not in str(caught.value)


def test_what_a_video_lacks_is_said_in_one_line(small_data):
    class Broken(dict):
        def __missing__(self, vid):
            raise InputError(f"{vid}: damaged")

    broken = dataclasses.replace(small_data.train, videos=Broken())
    made = _Batches(broken).__getitems__([0])
    assert isinstance(made, InputError) and str(made).endswith(": damaged")


def test_fewer_loaders_than_none_are_refused(command, capsys, small_data):
    assert command("train", "--loaders", "-1") == 2
    assert "loaders is -1; expected at least 0" in capsys.readouterr().err
    with pytest.raises(InputError, match="loaders is -1"):
        Loader(small_data.train, 4, -1)
