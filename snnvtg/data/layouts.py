"""Feature folders that people already have, read in place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from snnvtg.data.benchmarks import benchmark
from snnvtg.data.clip_ratings import of_domain
from snnvtg.data.dataset import DataSplits
from snnvtg.data.encoders import find_encoder
from snnvtg.data.folder import SPLITS, load_splits
from snnvtg.data.hdf5 import SUFFIXES
from snnvtg.errors import InputError
from snnvtg.records import Query

ANNOTATION_PLACES = (".", "data", "metadata", "annotations")


@dataclass(frozen=True)
class Layout:
    """Where a toolkit keeps features below the folder of a data set."""

    video: str
    """folder of a backbone's {vid}.npz or .npy"""
    text: str
    """folder of the query files of an encoder"""


LAYOUTS = {
    "plain": Layout("features/{backbone}", "features/{encoder}_text"),
    "moment_detr": Layout("features/{backbone}_features", "features/{encoder}_text_features"),
    "lighthouse": Layout("{backbone}", "{encoder}_text"),
    "univtg": Layout("vid_{backbone}", "txt_{encoder}"),
}
"""Below the folder given: a repository like Moment-DETR's, Lighthouse's features/DATASET, UniVTG's data/DATASET."""


def load_benchmark(
    dataset: str,
    folder: Path | str,
    *,
    layout: str = "plain",
    annotations: Path | str | None = None,
    backbones: Sequence[str] = ("slowfast", "clip"),
    feature_folders: Sequence[Path | str] | None = None,
    text: str | Path = "clip",
    splits: tuple[str, str, str] = ("train", "val", "val"),
    domain: str | None = None,
    packed: Path | str | None = None,
    answers: bool = True,
) -> DataSplits:
    """A benchmark from the folder another toolkit made.

    `annotations` is the folder of the jsonl files where they are elsewhere (as Lighthouse keeps them). `backbones` are
    concatenated in the order given (it is kept in `DataSplits.feature_names`); `feature_folders` say where they are if
    not where the layout has them. `text` names an encoder of the layout,
    or is a live one: a GloVe text file, clip:FOLDER, sentence. `splits` says which annotation files serve as train, val
    and test: the public test split of QVHighlights has no answers, so val stands in for test unless told otherwise;
    `answers=False` reads such a split, to predict. `domain` keeps one of TVSum's or YouTube Highlights' domains, for
    each of which the field trains a model of its own. `packed` as in `load_folder`, made of these backbones.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; expected one of {', '.join(LAYOUTS)}")
    folder, kind, places = Path(folder), benchmark(dataset), LAYOUTS[layout]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the {layout} layout of {dataset} in it")
    if not backbones:
        raise InputError("backbones is empty; name at least one, such as clip")
    jsonl = Path(annotations) if annotations else folder
    wanted = feature_folders or [places.video.format(backbone=name) for name in backbones]
    read = kind.read_to_train if answers else kind.read_unanswered
    return load_splits(
        {split: find_annotations(jsonl, chosen) for split, chosen in zip(SPLITS, splits, strict=True)},
        name=" ".join([dataset.rpartition(":")[2], *([domain] if domain else [])]),
        clip_length=kind.clip_length,
        feature_folders=lambda: [video_source(folder / place) for place in wanted],
        text=lambda queries: find_encoder(str(text), folder / places.text.format(encoder=text), queries),
        read=read if domain is None else _within(domain, read),
        packed=packed,
        backbones=backbones,
        evaluation=kind.evaluation,
    )


def video_source(folder: Path) -> Path:
    """`folder`, or the HDF5 file that stands in its place: beside it by its name, or in UniVTG's h5py/."""
    files = [folder.with_name(folder.name + suffix) for suffix in SUFFIXES]
    files += [folder.parent / "h5py" / file.name for file in files]
    return next((path for path in (folder, *files) if path.exists()), folder)


def find_annotations(folder: Path, split: str) -> Path:
    """The only *{split}*.jsonl in `folder` or its data/, metadata/ or annotations/; InputError where several match.

    `folder` may also be the one file that serves every split, and `split` a file's whole name.
    """
    if folder.is_file():
        return folder
    for place in ANNOTATION_PLACES:
        if split.endswith(".jsonl") and (folder / place / split).is_file():
            return folder / place / split
    found = [path for place in ANNOTATION_PLACES for path in sorted((folder / place).glob(f"*{split}*.jsonl"))]
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        remedy = "name the file as split" if found else "name the folder of the annotations, or other splits"
        raise InputError(f"{folder}: {len(found)} files *{split}*.jsonl ({names}); expected one, {remedy}")
    return found[0]


def _within(domain: str, read: Callable[[Path], tuple[Query, ...]]) -> Callable[[Path], tuple[Query, ...]]:
    return lambda path: of_domain(read(path), domain)
