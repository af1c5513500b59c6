"""Video files to features, on a video made here and a CLIP of random weights."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from snnvtg.data.features import read_features
from snnvtg.data.raw_video import ClipImages, clip_frames, refuse_rotated, square, video_features
from snnvtg.errors import InputError

RATE, HEIGHT, WIDTH = 10, 32, 48
GREYS = (10, 60, 110, 160, 210)


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="PyAV is not installed (extra video)")


@pytest.fixture
def make_video(av, tmp_path):
    """Write a video whose frame k is one even grey, frame_greys[k]; 10 frames a second."""

    def make(frame_greys, name="film.mp4"):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.bit_rate = 2_000_000
            for grey in frame_greys:
                frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), grey, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return make


@pytest.fixture
def weights(tmp_path):
    """A vision tower of 1 layer, images of 16 pixels, projected to 6, with colour statistics beside it."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra video)")
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPVisionConfig(**sizes, image_size=16, patch_size=8, projection_dim=6)
    folder = tmp_path / "tiny_clip"
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 1]}')
    return folder


@pytest.fixture
def extract(command):
    """Run the command; its exit status."""

    return functools.partial(command, "tools/extract_features")


@pytest.mark.parametrize(
    ("num_frames", "clip_length", "middles"),
    [
        # middles at 0.5, 1.5, 2.5 s are frames 5, 15, 25
        (30, 1.0, [5, 15, 25]),
        # 3.4 s: the middle of the fourth clip, 3.5 s, lies behind the end; at 3.6 s it does not
        (34, 1.0, [5, 15, 25]),
        (36, 1.0, [5, 15, 25, 35]),
        # faster than the film: 0.025, 0.075 s … show each frame twice
        (3, 0.05, [0, 0, 1, 1, 2, 2]),
        # shorter than half a clip: still one clip, its last frame
        (3, 2.0, [2]),
    ],
)
def test_a_clip_is_the_frame_on_screen_at_its_middle(make_video, num_frames, clip_length, middles):
    greys = [20 + 6 * k for k in range(num_frames)]
    found = [frame.mean() for frame in clip_frames(make_video(greys), clip_length)]
    assert len(found) == len(middles)
    # neighbouring frames are 6 apart, the codec's error is below 3
    np.testing.assert_allclose(found, [greys[k] for k in middles], atol=2.9)


def test_the_shorter_side_is_resized_and_the_middle_kept():
    frame = np.zeros((20, 60, 3), np.uint8)
    frame[:, 20:40] = 200
    # the light middle third fills the square; bicubic weights let a little dark in at its edges
    assert square(frame, 10).min() > 150 and (square(frame, 10)[:, 4:6] == 200).all()
    assert square(frame, 10).shape == square(frame.transpose(1, 0, 2).copy(), 10).shape == (10, 10, 3)
    assert square(np.full((7, 7, 3), 9, np.uint8), 10).tolist() == np.full((10, 10, 3), 9).tolist()


def test_features_are_those_of_the_library_for_the_normalised_picture(weights):
    transformers = pytest.importorskip("transformers")
    reference = transformers.CLIPVisionModelWithProjection.from_pretrained(weights).eval()
    # an even picture stays even under any resizing: (100/255 − mean) / deviation
    colours = [(100 / 255 - mean) / deviation for mean, deviation in ((0.5, 0.25), (0.4, 0.5), (0.3, 1.0))]
    pixels = torch.tensor(colours).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    with torch.no_grad():
        expected = reference(pixel_values=pixels).image_embeds.numpy()
    found = ClipImages(weights)([np.full((HEIGHT, WIDTH, 3), 100, np.uint8)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_batch_size_changes_nothing(make_video, weights):
    film = make_video([grey for grey in GREYS for _ in range(RATE)])
    encoder = ClipImages(weights)
    whole = video_features(film, encoder, 1.0)
    assert whole.shape == (5, 6)
    assert np.abs(np.diff(whole, axis=0)).max(axis=1).min() > 1e-3
    np.testing.assert_allclose(video_features(film, encoder, 1.0, batch_size=2), whole, atol=1e-5)


def test_a_folder_of_features_is_written_and_resumed(make_video, weights, extract, tmp_path, capsys):
    films = [make_video([60] * 20, "a.mp4"), make_video([60] * 40, "b.mp4")]
    arguments = ("--videos", *films, "--weights", weights, "--out", tmp_path / "clip", "--clip-length", 1)
    assert extract(*arguments) == 0
    assert "2 videos written, 0 were there already" in capsys.readouterr().out
    assert [read_features(tmp_path / "clip" / f"{vid}.npz").shape for vid in "ab"] == [(2, 6), (4, 6)]
    (tmp_path / "clip" / "b.npz").unlink()
    before = (tmp_path / "clip" / "a.npz").stat().st_mtime_ns
    assert extract(*arguments) == 0
    assert "1 videos written, 1 were there already" in capsys.readouterr().out
    assert (tmp_path / "clip" / "a.npz").stat().st_mtime_ns == before


def test_two_videos_of_one_name_are_refused(extract, tmp_path, capsys):
    assert extract("--videos", "a/x.mp4", "b/x.mkv", "--weights", tmp_path, "--out", tmp_path) == 2
    assert capsys.readouterr().err == "error: b/x.mkv: has the vid 'x' of a/x.mp4; rename one of them\n"


@pytest.mark.parametrize("clip_length", [0, -1, float("nan"), float("inf")])
def test_a_clip_length_that_cannot_be_is_refused(make_video, clip_length):
    with pytest.raises(InputError, match=r"clip_length is .*; expected seconds above 0"):
        next(clip_frames(make_video([60] * 3), clip_length))


def test_files_that_are_no_videos_are_named(av, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(b"not a film" * 100)
    with pytest.raises(InputError, match=r"noise\.mp4: cannot be decoded") as caught:
        next(clip_frames(tmp_path / "noise.mp4", 1.0))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"gone\.mp4: no such video"):
        next(clip_frames(tmp_path / "gone.mp4", 1.0))


def test_a_video_that_players_turn_is_refused():
    refuse_rotated(0, Path("phone.mp4"))
    with pytest.raises(InputError, match=r"phone\.mp4: to be turned by -90° when shown; re-encode it upright"):
        refuse_rotated(-90, Path("phone.mp4"))


def test_a_text_model_or_missing_colours_are_refused(weights):
    (weights / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5]}')
    with pytest.raises(InputError, match=r"preprocessor_config\.json: no image_mean and image_std of 3 numbers"):
        ClipImages(weights)
    (weights / "model.safetensors").unlink()
    with pytest.raises(InputError, match="tiny_clip: not a readable model"):
        ClipImages(weights)


def test_missing_libraries_name_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"reading raw video needs av .*pip install 'snnvtg\[video\]'$"):
        next(clip_frames(tmp_path / "film.mp4", 1.0))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"the image encoder clip needs transformers .*'snnvtg\[video\]'$"):
        ClipImages(tmp_path)
