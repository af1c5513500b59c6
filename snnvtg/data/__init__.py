"""Annotations, features and text become padded batches; one synthetic generator beside the real folders."""

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
