"""Annotations, features and text become padded batches; one synthetic generator beside the real folders."""

from typing import TYPE_CHECKING

from snnvtg.lazy import lazily

if TYPE_CHECKING:  # what `lazily` imports when it is asked for
    from snnvtg.data.annotations import read_annotations, write_annotations
    from snnvtg.data.dataset import DataSplits, Example, GroundingDataset, collate, feature_statistics
    from snnvtg.data.folder import load_folder
    from snnvtg.data.text import GloveText

__all__ = [
    "DataSplits",
    "Example",
    "GloveText",
    "GroundingDataset",
    "collate",
    "feature_statistics",
    "load_folder",
    "read_annotations",
    "write_annotations",
]

_PLACES = {
    **dict.fromkeys(("read_annotations", "write_annotations"), "snnvtg.data.annotations"),
    "load_folder": "snnvtg.data.folder",
    "GloveText": "snnvtg.data.text",
}
__getattr__, __dir__ = lazily(__name__, {name: _PLACES.get(name, "snnvtg.data.dataset") for name in __all__})
