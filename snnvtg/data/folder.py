"""A data set as a folder: {train,val,test}.jsonl, features/BACKBONE/{vid}.npz, and GloVe vectors beside them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from snnvtg.data.annotations import iterate_annotations
from snnvtg.data.arrays import most_rows
from snnvtg.data.compact import CompactQueries, Joined, TextsOnDemand
from snnvtg.data.dataset import DataSplits, GroundingDataset
from snnvtg.data.encoders import find_encoder
from snnvtg.data.features import check_source, check_widths, feature_file, join_backbones, normalise, read_features
from snnvtg.data.layered import LayeredFeatures, check_same_layers, holds_layers
from snnvtg.data.packed import PackedFeatures
from snnvtg.data.text import GloveText, TextEncoder
from snnvtg.errors import InputError
from snnvtg.records import Query

SPLITS = ("train", "val", "test")
TextSource = Path | str | Callable[[Sequence[Query]], TextEncoder]


def load_folder(
    folder: Path | str,
    *,
    clip_length: float = 1.0,
    backbones: Sequence[str] | None = None,
    feature_folders: Sequence[Path | str] | None = None,
    text: TextSource | None = None,
    packed: Path | str | None = None,
) -> DataSplits:
    """Read a whole data set into memory: annotations, features, text.

    clip_length in seconds. `backbones`: folders in features/, in the order they are concatenated; default the only one
    there. `feature_folders` (or HDF5 files): where they are instead, relative to `folder` or absolute. `text`: a GloVe
    text file (default the only glove*.txt in `folder`), another source of `find_encoder`, whose token files lie in
    features/ENCODER_text, or a function from all queries to a TextEncoder. `packed` is a folder made by
    `pack_features`: features then stay on disk, memory-mapped, queries are kept as bytes, GloVe's vectors are looked up
    query by query, and `feature_folders` is not looked at. Features of several layers (see `layered`) stay on disk too.
    Every fault is an InputError that names the file and the remedy.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected train.jsonl, val.jsonl, test.jsonl and features/ in it")
    return load_splits(
        {split: folder / f"{split}.jsonl" for split in SPLITS},
        name=folder.resolve().name,
        clip_length=clip_length,
        feature_folders=lambda: find_feature_folders(
            folder, feature_folders or [f"features/{name}" for name in backbones or ()]
        ),
        text=lambda queries: find_text(folder, text, queries),
        packed=packed,
        backbones=backbones,
    )


def load_splits(
    files: Mapping[str, Path],
    *,
    name: str,
    clip_length: float,
    feature_folders: Callable[[], Sequence[Path]],
    text: Callable[[Sequence[Query]], TextEncoder],
    read: Callable[[Path], Iterable[Query]] = iterate_annotations,
    packed: Path | str | None = None,
    backbones: Sequence[str] | None = None,
    evaluation: str = "recall",
) -> DataSplits:
    """Read the annotation files of train, val and test (one file may serve two), then the features and text they need.

    `backbones` name the feature folders where their own names are a toolkit's; packed features must be made of these.
    The folders are looked for after the annotations are read, so that the first fault named is the first one met.
    """
    if not clip_length > 0:
        raise InputError(f"clip_length is {clip_length}; expected seconds above 0")
    kept = tuple if packed is None else CompactQueries
    known: dict[Path, Sequence[Query]] = {path: kept(read(path)) for path in dict.fromkeys(files[s] for s in SPLITS)}
    everything = Joined(*known.values())
    if packed is None:
        sources = feature_folders()
        videos: Mapping[str, np.ndarray] = open_videos(everything, sources, clip_length)
        names = tuple(backbones or (source.name for source in sources))
    else:
        videos = open_packed(everything, packed, clip_length)
        names = videos.feature_names
        if backbones is not None and names != tuple(backbones):
            raise InputError(
                f"{packed}: packed from {' + '.join(names)}, asked for {' + '.join(backbones)}; name them in that order"
            )
    encoder = text(everything)
    shape, words = videos[everything[0].vid].shape, encoder(everything[0])
    num_layers = shape[1] if len(shape) > 2 else 1
    check_same_layers(num_layers, words.shape[1] if words.ndim > 2 else 1, name)
    datasets = {}
    for split in SPLITS:
        queries = known[files[split]]
        texts = texts_of(queries, encoder, on_demand=packed is not None)
        datasets[split] = GroundingDataset(queries, videos, texts, clip_length, evaluation)
    return DataSplits(
        **datasets,
        name=name,
        checksum=checksum(everything, videos, encoder.digest),
        video_width=shape[-1],
        text_width=encoder.width,
        clip_length=clip_length,
        feature_names=names,
        text_name=encoder.name,
        text_marks=encoder.marks,
        num_layers=num_layers,
    )


def texts_of(queries: Sequence[Query], encoder: TextEncoder, *, on_demand: bool) -> Sequence[np.ndarray]:
    """The text features of queries: in memory, or, where they need no more than looking up, on demand."""
    if not (on_demand and isinstance(encoder, GloveText)):
        return tuple(map(encoder, queries))
    for query in queries:
        encoder.check(query.query, f"qid {query.qid}")
    return TextsOnDemand(queries, encoder)


def find_feature_folders(folder: Path, named: Sequence[Path | str] | None) -> tuple[Path, ...]:
    """The named feature folders, or the only one in features/; InputError where there are several to choose from."""
    if named:
        found = tuple(folder / name for name in named)
    else:
        root = folder / "features"
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; expected one folder per backbone in it, such as features/clip")
        found = tuple(sorted(path for path in root.iterdir() if path.is_dir()))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise InputError(
                f"{root}: {len(found)} feature folders ({names}); name those to use, in order, as backbones"
            )
    for path in found:
        check_source(path)
    return found


def find_text(folder: Path, text: TextSource | None, queries: Sequence[Query]) -> TextEncoder:
    """The text encoder asked for, or GloVe from the only glove*.txt in `folder`."""
    if callable(text):
        return text(queries)
    if text is None:
        found = sorted(folder.glob("glove*.txt"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise InputError(f"{folder}: {len(found)} files glove*.txt ({names}); name the word vectors to use as text")
        text = found[0]
    return find_encoder(str(text), folder / "features" / f"{text}_text", queries)


def open_videos(queries: Sequence[Query], folders: Sequence[Path], clip_length: float) -> Mapping[str, np.ndarray]:
    """vid → features of every video asked about: in memory, or, of several layers, from their files on demand."""
    if not any(holds_layers(folder, queries[0].vid) for folder in folders):
        return load_videos(queries, folders, clip_length)
    if len(folders) > 1:
        raise InputError(f"{folders[0]}: features of several layers are not joined to others; name their folder alone")
    durations = one_duration_per_video(queries)
    videos = LayeredFeatures(list(durations), folders[0])
    check_lengths(durations, {vid: (videos.num_clips(vid), videos.paths[vid]) for vid in durations}, clip_length)
    return videos


def load_videos(queries: Sequence[Query], folders: Sequence[Path], clip_length: float) -> dict[str, np.ndarray]:
    """vid → features (L, Dv) float32 of every video asked about, checked for width and length."""
    durations = one_duration_per_video(queries)
    parts: dict[str, list[np.ndarray]] = {vid: [] for vid in durations}
    for folder in folders:
        files = {vid: feature_file(folder, vid) for vid in durations}
        arrays = {vid: read_features(path, most_rows(durations[vid])) for vid, path in files.items()}
        check_widths({vid: (arrays[vid].shape[1], files[vid]) for vid in files})
        check_lengths(durations, {vid: (len(arrays[vid]), files[vid]) for vid in files}, clip_length)
        for vid, array in arrays.items():
            parts[vid].append(normalise(array))
    return {vid: join_backbones(arrays) for vid, arrays in parts.items()}


def open_packed(queries: Sequence[Query], path: Path | str, clip_length: float) -> PackedFeatures:
    """Packed features that hold every video asked about, at a length that fits its duration."""
    videos = PackedFeatures(path)
    durations = one_duration_per_video(queries)
    missing = [vid for vid in durations if vid not in videos]
    if missing:
        raise InputError(f"{path}: does not hold video {missing[0]!r} ({len(missing)} such); pack the features again")
    check_lengths(durations, {vid: (videos.num_clips(vid), f"{path}/{vid}") for vid in durations}, clip_length)
    return videos


def one_duration_per_video(queries: Sequence[Query]) -> dict[str, float]:
    """vid → duration in s; InputError where two queries disagree about it by more than a second."""
    durations: dict[str, float] = {}
    for query in queries:
        known = durations.setdefault(query.vid, query.duration)
        if abs(known - query.duration) > 1:
            raise InputError(
                f"video {query.vid!r} has a duration of {known:g} s for one query and {query.duration:g} s for qid "
                f"{query.qid!r}; correct the annotations"
            )
    return durations


def check_lengths(durations: dict[str, float], rows: dict[str, tuple[int, Path | str]], clip_length: float) -> None:
    """InputError where rows × clip_length disagrees with a duration by more than 2 clips and a tenth of it.

    Says which clip length fits where the whole folder is off, and which file is where a single one is.
    """
    off = [vid for vid, (count, _) in rows.items() if lengths_disagree(durations[vid], count, clip_length)]
    if not off:
        return
    count, path = rows[off[0]]
    fitting = float(np.median([durations[vid] / rows[vid][0] for vid in rows]))
    found = f"{path}: {count} rows for a duration of {durations[off[0]]:g} s"
    if abs(fitting / clip_length - 1) > 0.1:
        raise InputError(
            f"{found}, so a clip_length of {clip_length:g} s does not fit (nor in {len(off) - 1} other videos); "
            f"clip_length={fitting:.3g} fits"
        )
    remedy = f"extract it again or correct its duration ({len(off)} such files)"
    raise InputError(f"{found}, at {clip_length:g} s per row; {remedy}")


def lengths_disagree(duration: float, count: int, clip_length: float) -> bool:
    """Whether `count` clips differ from a duration (s) by more than 2 clips and more than a tenth of it."""
    gap = abs(duration - count * clip_length)
    return gap > 2 * clip_length and gap > 0.1 * duration


def checksum(queries: Sequence[Query], videos: Mapping[str, np.ndarray], text_digest: str) -> str:
    """SHA-256, 16 hex digits, of queries, features as used and text vectors; the order of files does not matter.

    Packed and layered features count by a checksum of their own, so that none is read.
    """
    digest = hashlib.sha256(text_digest.encode())
    for query in queries:
        digest.update(repr(query).encode())
    if isinstance(videos, PackedFeatures | LayeredFeatures):
        digest.update(videos.checksum.encode())
        return digest.hexdigest()[:16]
    for vid in sorted(videos):
        digest.update(f"{vid}{videos[vid].shape}".encode())
        digest.update(np.ascontiguousarray(videos[vid]).data)
    return digest.hexdigest()[:16]
