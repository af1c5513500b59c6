"""Asking a model in words, in this process, on a checkpoint of random weights."""

import dataclasses
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from snnvtg.data.text import GloveText
from snnvtg.models import MODELS
from snnvtg.models.transformer import TransformerConfig
from snnvtg.records import Query
from snnvtg.studies.grounding import answer, read_video
from snnvtg.training import TrainingConfig
from snnvtg.training.checkpoint import Checkpoint, load_checkpoint

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "ground.py"
CLIPS, WIDTH, TOP = 12, 3, 2
WORDS = "a 1 0 0\nman -1 2 0\nruns 0 1 1\n"
QUERY = "a man runs"


def save_checkpoint(path, config, name="spikemba", features=("clip",)):
    video_width, text_width = WIDTH * len(features) + 2, 3
    torch.manual_seed(0)
    state = MODELS[name][1](config, video_width, text_width).state_dict()
    Checkpoint(name, config, TrainingConfig(), video_width, text_width, features, 2.0, state, {}).save(path)
    return path


@pytest.fixture
def files(tmp_path, tiny):
    """A checkpoint, a video of 12 clips of 2 s and word vectors."""
    (tmp_path / "glove.txt").write_text(WORDS)
    features = np.random.default_rng(0).standard_normal((CLIPS, WIDTH))
    np.savez(tmp_path / "video.npz", features=features)
    save_checkpoint(tmp_path / "best.pt", tiny)
    return tmp_path


@pytest.fixture
def ground(files, monkeypatch):
    """Run the command on `files`; its exit status."""

    def run(*arguments, features=("video.npz",), checkpoint="best.pt", text="glove.txt"):
        monkeypatch.chdir(files)
        given = ("--checkpoint", checkpoint, "--features", *features, "--text", text, "--query", QUERY, *arguments)
        monkeypatch.setattr(sys, "argv", [str(EXPERIMENT), *map(str, given)])
        try:
            runpy.run_path(str(EXPERIMENT), run_name="__main__")
        except SystemExit as end:
            return end.code
        return 0

    return run


def test_windows_are_printed_drawn_and_written(ground, files, capsys):
    assert ground("--top", TOP, "--out", "answer.png", "--json", "answer.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "video: 12 clips, 24 s; text: glove, 3 tokens"
    found = json.loads((files / "answer.json").read_text())
    assert (found["query"], found["vid"], found["duration"]) == (QUERY, "video", 24.0)
    assert len(found["pred_saliency_scores"]) == CLIPS
    for line, (start, end, score) in zip(lines[1 : 1 + TOP], found["pred_relevant_windows"], strict=False):
        assert line.split() == [f"{start:.1f}", "s", "–", f"{end:.1f}", "s", "score", f"{score:.3f}"]
        assert 0 <= start < end <= 24
    assert (files / "answer.png").read_bytes().startswith(b"\x89PNG")
    assert found["provenance"]["text_digest"] == GloveText(files / "glove.txt", [QUERY]).digest


@pytest.mark.parametrize("position", ["suffix", "prefix"])
def test_the_raster_holds_the_clips_and_not_the_slots(files, tiny, position):
    config = dataclasses.replace(tiny, slot_position=position)
    checkpoint = load_checkpoint(save_checkpoint(files / "slots.pt", config))
    video = read_video([str(files / "video.npz")], checkpoint, files / "slots.pt")
    text = GloveText(files / "glove.txt", [QUERY]).encode(QUERY)
    model = checkpoint.build()
    kept = []
    model.register_forward_hook(lambda module, inputs, output: kept.append(output.spikes[-1]))
    found = answer(model, Query(1, QUERY, "video", 24.0), video, text, 2.0)
    names = ["queries", "keys", "values", "saliency proposals"]
    assert list(found.spikes) == [f"block 2, {name}" for name in names]
    assert {spikes.shape for spikes in found.spikes.values()} == {(tiny.num_timesteps, CLIPS, tiny.width)}
    # the detector's own output, which the model has already freed of slots
    assert np.array_equal(found.spikes["block 2, saliency proposals"], kept[0][:, 0].numpy())


def test_a_model_without_spikes_answers_without_a_raster(ground, files, capsys):
    config = TransformerConfig(width=8, num_blocks=1, num_heads=2)
    save_checkpoint(files / "transformer.pt", config, "transformer")
    assert ground(checkpoint="transformer.pt") == 0
    assert "no raster in the picture" in capsys.readouterr().out
    assert (files / "ground.png").is_file()


def test_features_of_another_width_are_refused(ground, files, capsys):
    np.savez(files / "wide.npz", features=np.ones((CLIPS, 5)))
    assert ground(features=["wide.npz"]) == 2
    said = "error: wide.npz: 5 features a clip, best.pt was trained with 3 (clip); extract them with the same backbones"
    assert capsys.readouterr().err == said + "\n"
    assert not (files / "ground.png").exists()


def test_backbones_in_another_order_or_unnamed_are_refused(ground, files, tiny, capsys):
    save_checkpoint(files / "two.pt", tiny, features=("slowfast", "clip"))
    assert ground(features=["clip=video.npz", "slowfast=video.npz"], checkpoint="two.pt") == 2
    said = capsys.readouterr().err
    assert "two.pt: was trained on slowfast + clip, the features given are clip + slowfast" in said
    assert "give them as slowfast=FILE.npz clip=FILE.npz" in said
    assert ground(features=["video.npz", "video.npz"], checkpoint="two.pt") == 2
    assert "was trained on slowfast + clip" in capsys.readouterr().err
    assert ground(features=["slowfast=video.npz"], checkpoint="best.pt") == 2
    assert "was trained on clip, the features given are slowfast" in capsys.readouterr().err
    assert ground(features=["slowfast=video.npz", "clip=video.npz"], checkpoint="two.pt") == 0


def test_the_folder_of_a_file_names_its_backbone(files, tiny):
    checkpoint = load_checkpoint(save_checkpoint(files / "two.pt", tiny, features=("slowfast", "clip")))
    paths = []
    for number, name in enumerate(checkpoint.feature_names):
        (files / name).mkdir()
        np.savez(files / name / "v.npz", features=np.eye(WIDTH)[[number] * 4])
        paths.append(str(files / name / "v.npz"))
    video = read_video(paths, checkpoint, files / "two.pt")
    np.testing.assert_allclose(video[1], [1, 0, 0, 0, 1, 0, 0.25, 0.5], atol=1e-4)


def test_text_of_another_width_is_refused(ground, files, capsys):
    (files / "glove2.txt").write_text("a 1 0\nman 0 1\nruns 1 1\n")
    assert ground(text="glove2.txt") == 2
    assert "text glove: 2 features a token, best.pt was trained with 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--duration", 99), "duration is 99 s; the features cover 24 s"),
        (("--top", 0), "top is 0; expected at least 1"),
        (("--duration", "nan"), "duration is nan s"),
        (("--duration", -24), "duration is -24 s"),
    ],
)
def test_options_that_cannot_be_are_refused(ground, arguments, said, capsys):
    assert ground(*arguments) == 2
    assert said in capsys.readouterr().err
