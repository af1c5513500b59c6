"""Queries as they are without padding, one at a time: what a count per query runs on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from snnvtg.records import Batch


def unpadded(entry: Any) -> Iterator[Any]:
    """The queries of a Batch, each alone and without its padding; anything else as it is."""
    if not isinstance(entry, Batch):
        yield entry
        return
    for row, query in enumerate(entry.queries or [None] * len(entry.video)):
        clips, tokens = entry.video_mask[row], entry.text_mask[row]
        yield replace(
            entry,
            queries=() if query is None else (query,),
            video=entry.video[row, clips].unsqueeze(0),
            video_mask=clips[clips].unsqueeze(0),
            text=entry.text[row, tokens].unsqueeze(0),
            text_mask=tokens[tokens].unsqueeze(0),
            foreground=entry.foreground[row, clips].unsqueeze(0),
            boundaries=entry.boundaries[row, clips].unsqueeze(0),
            saliency=entry.saliency[row, clips].unsqueeze(0),
        )
