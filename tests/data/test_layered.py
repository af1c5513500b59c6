"""Features of several layers: files, reader, training from a folder of them, and their extraction by a random CLIP."""

import functools
import json
import pickle

import numpy as np
import pytest
import torch

from snnvtg.data import load_folder
from snnvtg.data.controls import CONTROLS
from snnvtg.data.layered import LayeredFeatures
from snnvtg.errors import InputError
from snnvtg.models import model_class
from snnvtg.models.r2_tuning import R2Tuning
from snnvtg.training import evaluate, load_checkpoint

LAYERS, PLACES, WIDTH, TEXT = 2, 3, 6, 4


def write_folder(folder, lengths=(6, 5, 7, 6), layers=LAYERS):
    """A data set of one query per video in features/k2 and features/k2_text; two train, one each validate and test."""
    generator = np.random.default_rng(0)
    videos, texts = folder / "features" / "k2", folder / "features" / "k2_text"
    videos.mkdir(parents=True)
    texts.mkdir()
    rows = []
    for number, length in enumerate(lengths):
        video = generator.standard_normal((length, layers, PLACES, WIDTH)).astype(np.float16)
        np.save(videos / f"v{number}.npy", video)
        np.save(texts / f"{number}.npy", generator.standard_normal((2 + number, layers, TEXT)).astype(np.float16))
        rows.append({"qid": number, "query": f"words {number}", "vid": f"v{number}", "duration": length,
                     "relevant_windows": [[1, 4]]})  # fmt: skip
    for split, chosen in (("train", rows[:2]), ("val", rows[2:3]), ("test", rows[3:])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "data")


@pytest.fixture
def load(folder):
    return functools.partial(load_folder, folder, backbones=["k2"], text="k2")


def test_layers_and_places_come_as_they_are_stored(folder, load):
    data = load()
    assert (data.num_layers, data.video_width, data.text_width) == (LAYERS, WIDTH, TEXT)
    assert data.feature_names == ("k2",) and data.text_name == "k2"
    stored = np.load(folder / "features" / "k2" / "v1.npy")
    assert data.train.videos["v1"].dtype == np.float32
    np.testing.assert_array_equal(data.train.videos["v1"], stored.astype(np.float32))
    np.testing.assert_array_equal(data.train.texts[1], np.load(folder / "features" / "k2_text" / "1.npy"))
    batch = data.train.batch([0, 1])
    assert batch.video.shape == (2, 6, LAYERS, PLACES, WIDTH) and batch.text.shape == (2, 3, LAYERS, TEXT)


def test_videos_stay_on_disk_until_they_are_asked_for(folder, load):
    data = load()
    path = folder / "features" / "k2" / "v0.npy"
    changed = np.load(path)
    changed[3] = 5.0
    np.save(path, changed)
    assert (data.train.videos["v0"][3] == 5).all()
    again = pickle.loads(pickle.dumps(data.train.videos))
    np.testing.assert_array_equal(again["v0"], data.train.videos["v0"])


def test_other_features_are_another_data_set(folder, load):
    first = load().checksum
    assert load().checksum == first
    path = folder / "features" / "k2" / "v3.npy"
    np.save(path, np.load(path) + np.float16(1))
    assert load().checksum != first


@pytest.mark.parametrize("control", CONTROLS)
def test_controls_and_their_shapes(folder, control):
    write_folder(folder / "more", (6, 5, 7, 6))
    data = load_folder(folder / "more", backbones=["k2"], text="k2")
    shown = CONTROLS[control](data.train, 0)
    assert shown.batch([0, 1]).video.shape == (2, 6, LAYERS, PLACES, WIDTH)


def test_a_folder_of_layers_is_trained_on_and_its_checkpoint_evaluated(folder, command, capsys, tmp_path):
    chosen = ("--data", folder, "--backbones", "k2", "--text", "k2", "--model", "r2_tuning", "--preset", "paper")
    tiny = ("model.num_layers=2", "model.width=8", "model.num_heads=2", "training.epochs=2", "training.batch_size=2")
    settings = [part for setting in tiny for part in ("--set", setting)]
    assert command("train", *chosen, *settings, "--out", tmp_path / "run") == 0
    saved = load_checkpoint(tmp_path / "run" / "best.pt", model_class("r2_tuning"))
    model = saved.build()
    assert isinstance(model, R2Tuning) and model.config.num_layers == LAYERS
    data = load_folder(folder, backbones=["k2"], text="k2")
    assert len(evaluate(model, data.test)[1]) == 1
    # a model of four layers is refused before it is trained
    assert command("train", *chosen, "--out", tmp_path / "other") == 2
    assert (
        "R2Tuning reads 4 feature layers, data has 2; extract the features with --layers 4" in capsys.readouterr().err
    )


def test_text_of_another_number_of_layers_is_refused(folder, load):
    (folder / "glove.txt").write_text("words 1 2 3 4\n")
    with pytest.raises(InputError, match="data: videos have 2 feature layers, queries 1; name token files"):
        load(text=folder / "glove.txt")


def test_layered_text_beside_plain_videos_is_refused(folder, load):
    plain = folder / "features" / "plain"
    plain.mkdir()
    for number, length in enumerate((6, 5, 7, 6)):
        np.save(plain / f"v{number}.npy", np.ones((length, 3)))
    with pytest.raises(InputError, match="videos have 1 feature layers, queries 2"):
        load(backbones=["plain"])
    with pytest.raises(
        InputError, match="features of several layers are not joined to others; name their folder alone"
    ):
        load(backbones=["k2", "plain"])


def replaced(folder, name, change):
    path = folder / "features" / name
    np.save(path, change(np.load(path)))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("k2/v1.npy", lambda a: a[:, :1], r"v1\.npy: layers, places and width \(1, 3, 6\); the first video has \(2, 3"),
        ("k2/v1.npy", lambda a: a[:, :, 0], r"v1\.npy: shape \(5, 2, 6\); expected \(clips, layers, places, width\)"),
        ("k2/v1.npy", lambda a: a[:0], r"v1\.npy: shape \(0, 2, 3, 6\); expected \(clips"),
        ("k2/v1.npy", lambda a: a.astype(np.int64), r"v1\.npy: int64 where float16 or float32 is expected"),
        ("k2/v1.npy", lambda a: np.concatenate([a] * 9), r"v1\.npy: 45 rows for a duration of 5 s"),
        ("k2_text/1.npy", lambda a: a[:, 0], r"1\.npy: shape \(3, 4\); expected \(tokens, layers, width\)"),
        ("k2_text/1.npy", lambda a: a[:, :1], r"1\.npy: shape \(3, 1, 4\); the first query has \(2, 2, 4\)"),
        ("k2_text/1.npy", lambda a: a[..., :3], r"1\.npy: width 3; the first query has 4"),
        ("k2_text/1.npy", lambda a: a * np.nan, r"1\.npy: NaN or infinite"),
    ],
)
def test_a_damaged_file_is_named(folder, load, name, change, words):
    replaced(folder, name, change)
    with pytest.raises(InputError, match=words):
        load()


def test_numbers_that_are_not_finite_are_met_where_a_video_is_read(folder, load):
    replaced(folder, "k2/v1.npy", lambda a: a * np.inf)
    data = load()
    with pytest.raises(InputError, match=r"v1\.npy: NaN or infinite features, first in row 0"):
        data.train.batch([1])


def test_a_file_that_is_none_is_named(folder):
    (folder / "features" / "k2" / "v1.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"v1\.npy: damaged or not an \.npy file"):
        LayeredFeatures(["v0", "v1"], folder / "features" / "k2")


# ---- extraction, by a CLIP of random weights


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A whole CLIP of three layers in both towers, with colours and a tokeniser of single words."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra video)")
    tokenizers = pytest.importorskip("tokenizers")
    torch.manual_seed(0)
    words = {word: i for i, word in enumerate(("<s>", "</s>", "a", "man", "opens", "the", "door", "shuts"))}
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
             "projection_dim": 6}  # fmt: skip
    config = transformers.CLIPConfig(
        text_config={**sizes, "vocab_size": len(words), "max_position_embeddings": 9, "bos_token_id": 0,
                     "eos_token_id": 1, "pad_token_id": 1},
        vision_config={**sizes, "hidden_size": 12, "image_size": 16, "patch_size": 8},
        projection_dim=6,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("clip")
    transformers.CLIPModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.5, 1]}')
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="a"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    return folder


def test_image_layers_are_the_librarys_and_end_in_its_projected_feature(clip):
    import transformers

    from snnvtg.data.clip_layers import ClipImageLayers

    frames = [np.full((20, 30, 3), grey, np.uint8) for grey in (40, 200)]
    encoder = ClipImageLayers(clip, 2)
    found = encoder(frames)
    assert found.shape == (2, 2, 1 + 4, 12) and found.dtype == np.float16
    whole = transformers.CLIPModel.from_pretrained(clip).eval()
    tower, caught = whole.vision_model, []
    layer = tower.encoder.layers[1]
    hook = layer.register_forward_hook(lambda *parts: caught.append(parts[2]))
    with torch.no_grad():
        embedded = tower(pixel_values=encoder.pixels(frames))
        last = torch.from_numpy(found[:, -1, 0]).float()
        projected = whole.visual_projection(tower.post_layernorm(last))
        expected = whole.visual_projection(embedded.pooler_output)
    hook.remove()
    before = caught[0] if torch.is_tensor(caught[0]) else caught[0][0]
    np.testing.assert_allclose(found[:, 0], before.numpy(), rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(projected, expected, rtol=1e-2, atol=1e-2)


def test_token_layers_are_every_position_of_the_last_layers(clip):
    import transformers

    from snnvtg.data.clip_layers import ClipTokenLayers
    from snnvtg.records import Query

    found = ClipTokenLayers(clip, 3)(Query(1, "a man opens the door", "v", 1.0))
    assert found.shape == (7, 3, 8) and found.dtype == np.float16
    whole = transformers.CLIPTextModel.from_pretrained(clip).eval()
    ids = torch.tensor([[0, 2, 3, 4, 5, 6, 1]])
    with torch.no_grad():
        expected = whole(input_ids=ids).last_hidden_state[0]
        norm = next(module for name, module in whole.named_modules() if name.endswith("final_layer_norm"))
        last = norm(torch.from_numpy(found[:, -1].copy()).float())
    torch.testing.assert_close(last, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("layers", [0, 4])
def test_layers_that_clip_does_not_have_are_refused(clip, layers):
    from snnvtg.data.clip_layers import ClipImageLayers

    with pytest.raises(InputError, match=f"layers: expected a number from 1 to 3, the layers of .*, got {layers}"):
        ClipImageLayers(clip, layers)


def test_numbers_beyond_half_precision_are_refused():
    from snnvtg.data.clip_layers import half

    with pytest.raises(InputError, match="hidden states beyond half precision"):
        half([torch.full((1, 2, 3), 1e6)], 1)


def test_films_become_a_folder_that_is_trained_on(clip, command, capsys, tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")
    films = []
    for number in range(4):
        films.append(tmp_path / f"v{number}.mp4")
        with av.open(str(films[-1]), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
            for frame in range(40):
                picture = np.full((32, 48, 3), 40 * (number + 1) + frame, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    data = tmp_path / "data"
    data.mkdir()
    for number, split in enumerate(("train", "train", "val", "test")):
        with (data / f"{split}.jsonl").open("a") as file:
            row = {"qid": number, "query": "a man opens the door", "vid": f"v{number}", "duration": 4,
                   "relevant_windows": [[1, 3]]}  # fmt: skip
            file.write(json.dumps(row) + "\n")
    annotations = [data / f"{split}.jsonl" for split in ("train", "val", "test")]
    arguments = ["--videos", *films, "--weights", clip, "--clip-length", 1, "--layers", 2, "--annotations",
                 *annotations, "--out", data / "features" / "k2"]  # fmt: skip
    assert command("tools/extract_features", *arguments) == 0
    assert "4 videos written" in (said := capsys.readouterr().out) and "4 queries written, 0 were" in said
    assert command("tools/extract_features", *arguments) == 0
    assert "0 videos written, 4" in (said := capsys.readouterr().out) and "0 queries written, 4 were" in said
    stored = np.load(data / "features" / "k2" / "v2.npy")
    assert stored.shape == (4, 2, 5, 12) and stored.dtype == np.float16
    tiny = ("model.num_layers=2", "model.width=8", "model.num_heads=2", "training.epochs=1", "training.batch_size=2")
    settings = [part for setting in tiny for part in ("--set", setting)]
    chosen = ("--data", data, "--backbones", "k2", "--text", "k2", "--model", "r2_tuning", "--preset", "paper")
    assert command("train", *chosen, *settings, "--out", tmp_path / "run") == 0


def test_annotations_without_layers_are_refused(command, capsys, tmp_path):
    arguments = ("--videos", "a.mp4", "--weights", tmp_path, "--out", tmp_path, "--annotations", "train.jsonl")
    assert command("tools/extract_features", *arguments) == 2
    assert "annotations: tokens are written with --layers alone" in capsys.readouterr().err
