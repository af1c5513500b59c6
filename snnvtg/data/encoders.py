"""Text encoders by name."""

from collections.abc import Sequence
from pathlib import Path

from snnvtg.data.live_text import SOURCES, clip_text, sentence_text
from snnvtg.data.text import GloveText, TextEncoder
from snnvtg.data.text_files import TextFiles
from snnvtg.errors import InputError
from snnvtg.records import Query


def find_encoder(text: str, folder: Path, queries: Sequence[Query]) -> TextEncoder:
    """The encoder called `text`: live, or the token files of `folder`, whichever of the field's names these have."""
    if text == "sentence":
        return sentence_text()
    if text.startswith("clip:"):
        return clip_text(text.removeprefix("clip:"))
    if text.endswith(".txt"):
        return GloveText(text.removeprefix("glove:"), (query.query for query in queries))
    if ":" in text:
        raise InputError(f"text {text!r}: expected {SOURCES.rpartition(',')[0]}, or an encoder's name, such as clip")
    return TextFiles(folder, queries, name=text)
