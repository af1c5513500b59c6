"""Asking a model in words, in this process, on a checkpoint of random weights."""

import dataclasses
import json
import struct

import numpy as np
import pytest
import torch

from snnvtg.applications.grounding import answer, open_video
from snnvtg.data.text import GloveText
from snnvtg.models import MODELS, Recipe, TrainingConfig
from snnvtg.models.transformer import TransformerConfig
from snnvtg.records import Query
from snnvtg.training.checkpoint import Checkpoint, load_checkpoint

CLIPS, WIDTH, TOP = 12, 3, 2
WORDS = "a 1 0 0\nman -1 2 0\nruns 0 1 1\n"
QUERY = "a man runs"


def save_checkpoint(path, config, name="spikemba", features=("clip",), **known):
    known = {"text_name": "glove", **known}
    video_width, text_width = WIDTH * len(features) + 2, 3
    torch.manual_seed(0)
    recipe = Recipe(MODELS[name], config, TrainingConfig())
    state = MODELS[name](config, video_width, text_width).state_dict()
    Checkpoint(recipe, video_width, text_width, features, 2.0, state, {}, **known).save(path)
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
def ground(files, command, monkeypatch):
    """Run the command on `files`; its exit status."""

    def run(*arguments, features=("video.npz",), checkpoint="best.pt", text="glove.txt"):
        monkeypatch.chdir(files)
        given = ("--checkpoint", checkpoint, "--features", *features, "--text", text, "--query", QUERY, *arguments)
        return command("ground", *given)

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
    video = open_video([str(files / "video.npz")], checkpoint, files / "slots.pt")
    text = GloveText(files / "glove.txt", [QUERY]).encode(QUERY)
    model = checkpoint.build()
    kept = []
    model.register_forward_hook(lambda module, inputs, output: kept.append(output.spikes[-1]))
    found = answer(model, Query(1, QUERY, "video", 24.0), video, text, 2.0, CLIPS)
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
    said = (
        "error: wide.npz: 5 features per clip, best.pt was trained with 3 (clip); extract them with the same backbones"
    )
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
    video = open_video(paths, checkpoint, files / "two.pt")
    np.testing.assert_allclose(video.read(1, 2), [[1, 0, 0, 0, 1, 0]], atol=1e-4)


def test_another_text_encoder_of_the_same_width_is_refused(ground, files, tiny, capsys):
    marks = GloveText(files / "glove.txt", [QUERY, "a man"]).marks
    assert list(marks) == ["a", "man", "runs"]
    save_checkpoint(files / "marked.pt", tiny, text_marks=marks)
    assert ground(checkpoint="marked.pt") == 0
    # vectors of another file under the same words; the query alone would not have told: it asks for other words
    (files / "other.txt").write_text(WORDS.replace("1 0 0", "1 0.5 0"))
    capsys.readouterr()
    assert ground(text="other.txt") == 0
    assert ground(checkpoint="marked.pt", text="other.txt") == 2
    assert capsys.readouterr().err == (
        "error: marked.pt: was trained with another glove than the one given, which has another vector for 'a'; "
        "name the text encoder's files of training\n"
    )
    save_checkpoint(files / "clip.pt", tiny, text_name="clip")
    assert ground(checkpoint="clip.pt") == 2
    assert "clip.pt: was trained with the text encoder clip, given is glove" in capsys.readouterr().err


def test_what_cannot_be_compared_is_said(ground, files, tiny, capsys):
    save_checkpoint(files / "older.pt", tiny, text_name="")
    assert ground(checkpoint="older.pt") == 0
    assert "note: this checkpoint does not say which text encoder made it" in capsys.readouterr().out
    np.savez(files / "qid1.npz", last_hidden_state=np.eye(3))
    assert ground(text="tokens:qid1.npz") == 0
    assert "note: the file does not say" in capsys.readouterr().out


def test_a_checkpoint_written_before_text_had_a_name_still_loads(files, tiny):
    path = save_checkpoint(files / "older.pt", tiny)
    content = torch.load(path, weights_only=True)
    for name in ("text_name", "text_marks", "longest"):
        del content[name]
    torch.save(content, path)
    found = load_checkpoint(path)
    assert (found.text_name, found.text_marks, found.longest) == ("", {}, 0)


def test_a_long_video_is_read_in_windows(ground, files, tiny, capsys):
    save_checkpoint(files / "short.pt", tiny, longest=CLIPS)
    long = np.random.default_rng(1).standard_normal((5 * CLIPS + 3, WIDTH))
    np.savez_compressed(files / "long.npz", features=long)
    np.save(files / "long.npy", long)
    answers = []
    for name in ("long.npz", "long.npy"):
        assert ground("--json", "answer.json", features=[name], checkpoint="short.pt") == 0
        assert "longer than 12 clips: read in windows" in capsys.readouterr().out
        answers.append(json.loads((files / "answer.json").read_text()))
    assert len(answers[0]["pred_saliency_scores"]) == len(long)
    assert {end <= 2 * len(long) for _, end, _ in answers[0]["pred_relevant_windows"]} == {True}
    assert answers[0]["pred_relevant_windows"] == answers[1]["pred_relevant_windows"]
    assert ground("--window", len(long), features=["long.npz"], checkpoint="short.pt") == 0
    assert "read in windows" not in capsys.readouterr().out
    assert ground("--window", 1, features=["long.npz"]) == 2
    assert capsys.readouterr().err == "error: window is 1 clips; expected at least 2\n"


def test_the_windows_of_a_long_video_are_those_of_its_pieces(files, tiny):
    # 12 clips, then 6 more: windows at 0 and 6, each as a video of its own
    checkpoint = load_checkpoint(files / "best.pt")
    rows = np.random.default_rng(2).standard_normal((18, WIDTH))
    np.save(files / "long.npy", rows)
    video = open_video([str(files / "long.npy")], checkpoint, files / "best.pt")
    text, model = GloveText(files / "glove.txt", [QUERY]).encode(QUERY), checkpoint.build()
    found = answer(model, Query(1, QUERY, "v", 36.0), video, text, 2.0, 12)
    scores = []
    for first in (0, 6):
        np.save(files / "piece.npy", rows[first : first + 12])
        piece = open_video([str(files / "piece.npy")], checkpoint, files / "best.pt")
        scores.append(answer(model, Query(1, QUERY, "v", 24.0), piece, text, 2.0, 12).prediction.pred_saliency_scores)
    got = found.prediction.pred_saliency_scores
    np.testing.assert_allclose(got[:6], scores[0][:6], atol=1e-5)
    np.testing.assert_allclose(got[12:], scores[1][6:], atol=1e-5)
    assert found.first in (0, 6) and {s.shape[1] for s in found.spikes.values()} == {12}


def test_a_piece_of_a_long_video_that_holds_nothing_does_not_compete(files, tiny):
    # expected IoUs know no level: with every foreground logit 30 lower they are the same
    config = dataclasses.replace(tiny, decoding="expected_iou")
    checkpoint = load_checkpoint(save_checkpoint(files / "best.pt", config))
    np.save(files / "long.npy", np.random.default_rng(2).standard_normal((18, WIDTH)))
    video = open_video([str(files / "long.npy")], checkpoint, files / "best.pt")
    text, model = GloveText(files / "glove.txt", [QUERY]).encode(QUERY), checkpoint.build()
    scores = []
    for lower in (0.0, 30.0):
        model.foreground.second.bias.data -= lower
        found = answer(model, Query(1, QUERY, "v", 36.0), video, text, 2.0, 12)
        scores.append(found.prediction.pred_relevant_windows[0][2])
    assert scores[1] < 1e-9 < scores[0]


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
        (("--out", "answer.xyz"), "answer.xyz: no picture format; expected one of"),
        (("--query", "  "), "query is empty; ask in a sentence"),
        (("--duration", -24), "duration is -24 s"),
    ],
)
def test_options_that_cannot_be_are_refused(ground, arguments, said, capsys):
    assert ground(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("query", [r"a man $\frac$ runs", "a man runs 中文 $", "a man runs " * 3000])
def test_whatever_is_asked_is_drawn_in_a_picture_of_the_usual_size(ground, files, query, capsys):
    assert ground("--query", query, "--out", "answer.png") == 0
    width, height = struct.unpack(">II", (files / "answer.png").read_bytes()[16:24])
    assert width < 3000 and height < 3000
    assert "Traceback" not in capsys.readouterr().err


def test_words_without_a_vector_are_said_and_a_query_of_none_other_is_refused(ground, files, tiny, capsys):
    marks = GloveText(files / "glove.txt", [QUERY]).marks
    save_checkpoint(files / "marked.pt", tiny, text_marks=marks)
    assert ground("--query", "a man runs zzxqy", checkpoint="marked.pt") == 0
    assert "note: glove.txt does not know zzxqy: the answer is to the other words" in capsys.readouterr().out
    assert ground("--query", "zzxqy qqwv", checkpoint="marked.pt") == 2
    said = capsys.readouterr().err
    assert said == (
        "error: query 'zzxqy qqwv': glove.txt knows none of its words (zzxqy, qqwv); ask in words it knows\n"
    )
