"""Feature folders people already have, read where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from snnvtg.data.dataset import DataSplits
from snnvtg.data.folder import SPLITS, load_splits
from snnvtg.data.presets import benchmark
from snnvtg.data.text import GloveText
from snnvtg.data.text_files import TextFiles
from snnvtg.errors import InputError

ANNOTATION_PLACES = (".", "data", "metadata", "annotations")


@dataclass(frozen=True)
class Layout:
    """Where a toolkit keeps features below the folder of a data set."""

    video: str
    """folder of a backbone's {vid}.npz or .npy"""
    text: str
    """folder of the query files of an encoder"""
    text_file: str
    text_key: str = "last_hidden_state"


LAYOUTS = {
    "plain": Layout("features/{backbone}", "features/{encoder}_text", "qid{qid}.npz"),
    "moment_detr": Layout("features/{backbone}_features", "features/{encoder}_text_features", "qid{qid}.npz"),
    "lighthouse": Layout("{backbone}", "{encoder}_text", "qid{qid}.npz"),
    "univtg": Layout("vid_{backbone}", "txt_{encoder}", "{qid}.npz"),
}
"""Below the folder given: a repository of Moment-DETR's kin, Lighthouse's features/DATASET, UniVTG's data/DATASET."""


def load_benchmark(
    dataset: str,
    folder: Path | str,
    *,
    layout: str = "plain",
    annotations: Path | str | None = None,
    backbones: Sequence[str] = ("slowfast", "clip"),
    text: str | Path = "clip",
    splits: tuple[str, str, str] = ("train", "val", "val"),
) -> DataSplits:
    """A benchmark from the folder another toolkit made.

    `annotations` is the folder of the jsonl files where they lie elsewhere (as Lighthouse keeps them). `backbones` are
    concatenated in the order given (it is kept in `DataSplits.feature_names`). `text` names an encoder of the layout,
    or is the path of a GloVe text file. `splits` says which annotation files serve as train, val and test: the public
    test split of QVHighlights has no answers, so val stands in for test unless told otherwise.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; expected one of {', '.join(LAYOUTS)}")
    folder, kind, places = Path(folder), benchmark(dataset), LAYOUTS[layout]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the {layout} layout of {dataset} in it")
    if not backbones:
        raise InputError("backbones is empty; name at least one, such as clip")
    jsonl = Path(annotations) if annotations else folder
    files = {split: find_annotations(jsonl, chosen) for split, chosen in zip(SPLITS, splits, strict=True)}

    def encoder(queries):
        if isinstance(text, Path) or str(text).endswith(".txt"):
            return GloveText(text, [query.query for query in queries])
        source = folder / places.text.format(encoder=text)
        return TextFiles(source, queries, pattern=places.text_file, key=places.text_key)

    return load_splits(
        files,
        name=dataset,
        clip_length=kind.clip_length,
        feature_folders=lambda: [folder / places.video.format(backbone=backbone) for backbone in backbones],
        text=encoder,
        read=kind.read,
    )


def find_annotations(folder: Path, split: str) -> Path:
    """The only *{split}*.jsonl in `folder` or its data/, metadata/ or annotations/; InputError where several match."""
    found = [path for place in ANNOTATION_PLACES for path in sorted((folder / place).glob(f"*{split}*.jsonl"))]
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise InputError(f"{folder}: {len(found)} files *{split}*.jsonl ({names}); expected one, keep the right one")
    return found[0]
