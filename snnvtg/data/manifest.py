"""What is wrong with a data set's files, all of it at once, before any training."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from snnvtg.data.annotations import check_unique, parse_query, read_jsonl
from snnvtg.data.arrays import most_rows
from snnvtg.data.features import check_source, feature_file, join_backbones, normalise, read_features
from snnvtg.data.folder import checksum, lengths_disagree
from snnvtg.data.text import GloveText, tokenise
from snnvtg.errors import InputError
from snnvtg.records import Query

Lines = dict[str, Query]
"""the queries of a file by their place, file:line"""


@dataclass(frozen=True)
class Fault:
    """One thing wrong: the file (with its line), what kind of fault, and the message that names the remedy."""

    place: str
    kind: str
    message: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds and what is wrong with it."""

    faults: tuple[Fault, ...]
    num_queries: int
    num_videos: int
    num_clips: int
    widths: tuple[int, ...]
    checksum: str
    """of annotations, features and word vectors, as `DataSplits.checksum`; empty where there are faults"""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """words without a vector → how often they are asked for"""


def check_files(
    annotations: Sequence[Path],
    folders: Sequence[Path],
    clip_length: float,
    *,
    parse: Callable[[dict[str, Any], str], Query] = parse_query,
    glove: Path | None = None,
) -> Manifest:
    """Check every line of every annotation file and every feature file it asks for; never stops at the first fault.

    `parse` makes a Query of a jsonl object and its place; `glove` is the file of word vectors, if any.
    """
    faults: list[Fault] = []
    read = {path: _check_annotations(path, parse, faults) for path in dict.fromkeys(annotations)}
    faults += [*_shared(read), *_two_durations(read)]
    queries = [query for lines in read.values() for query in lines.values()]
    durations = {query.vid: query.duration for query in queries}
    found = [_check_features(folder, durations, clip_length, faults) for folder in folders]
    text_digest, unknown = "", {}
    if glove is not None:
        try:
            words = GloveText(glove, [query.query for query in queries])
            text_digest, unknown = words.digest, words.unknown
            faults += _without_words(read, words)
        except InputError as error:
            faults.append(_fault(error, "text"))
    digest = "" if faults else checksum(queries, _joined(found), text_digest)
    return Manifest(
        faults=tuple(faults),
        num_queries=len(queries),
        num_videos=len(durations),
        num_clips=sum(len(array) for array in found[0].values()),
        widths=tuple(next(iter(arrays.values())).shape[1] for arrays in found if arrays),
        checksum=digest,
        unknown=unknown,
    )


def _joined(found: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The features as a model gets them, so that the checksum is that of the loaded data."""
    return {vid: join_backbones([normalise(arrays[vid]) for arrays in found]) for vid in found[0]}


def _check_annotations(path: Path, parse: Callable[[dict[str, Any], str], Query], faults: list[Fault]) -> Lines:
    queries, seen = {}, {}
    lines = read_jsonl(path, on_fault=lambda error: faults.append(_fault(error, "annotation")))
    try:
        for place, record in lines:
            try:
                query = parse(record, place)
                queries[place] = query
                check_unique(seen, query.qid, place)
            except InputError as error:
                faults.append(_fault(error, "annotation"))
    except InputError as error:
        faults.append(_fault(error, "annotation"))
    else:
        if not queries:
            faults.append(Fault(str(path), "annotation", "no readable query in it"))
    return queries


def _shared(read: Mapping[Path, Lines]) -> Iterator[Fault]:
    """Videos of a training file that another file has too, and qids that two files give to different queries."""
    for first, second in itertools.combinations(read, 2):
        vids = {query.vid for query in read[first].values()}
        shared = [(place, query.vid) for place, query in read[second].items() if query.vid in vids]
        if shared and ("train" in first.stem) != ("train" in second.stem):
            number, (place, vid) = len({vid for _, vid in shared}), shared[0]
            said = f"{vid} is a video of {first} too ({number} in all); a model is tested on what it was trained on"
            yield Fault(place, "split", said)
        qids = {query.qid: query for query in read[first].values()}
        again = [(place, query.qid) for place, query in read[second].items() if qids.get(query.qid, query) != query]
        if again:
            place, qid = again[0]
            yield Fault(
                place, "split", f"qid {qid} is another query in {first} ({len(again)} in all); number them anew"
            )


def _two_durations(read: Mapping[Path, Lines]) -> Iterator[Fault]:
    """Every video that two lines give different durations, once."""
    first: dict[str, tuple[str, float]] = {}
    told = set()
    for place, query in ((place, query) for lines in read.values() for place, query in lines.items()):
        where, duration = first.setdefault(query.vid, (place, query.duration))
        if abs(duration - query.duration) > 0.01 and query.vid not in told:
            told.add(query.vid)
            yield Fault(place, "duration", f"{query.vid} has {query.duration:g} s here and {duration:g} s at {where}")


def _without_words(read: Mapping[Path, Lines], glove: GloveText) -> Iterator[Fault]:
    """Every query of which the word vectors know nothing."""
    for place, query in ((place, query) for lines in read.values() for place, query in lines.items()):
        parts = [part for token in tokenise(query.query) for part in (token, *token.split("-"))]
        if not any(part in glove.vectors for part in parts):
            yield Fault(place, "text", f"{glove.path} knows no word of {query.query!r:.80}; correct or drop it")


def _check_features(
    folder: Path, durations: Mapping[str, float], clip_length: float, faults: list[Fault]
) -> dict[str, np.ndarray]:
    try:
        check_source(folder)
    except InputError as error:
        faults.append(_fault(error, "missing"))
        return {}
    arrays: dict[str, np.ndarray] = {}
    for vid, duration in durations.items():
        try:
            path = feature_file(folder, vid)
        except InputError as error:
            faults.append(_fault(error, "missing"))
            continue
        try:
            arrays[vid] = read_features(path, most_rows(duration))
        except InputError as error:
            faults.append(_fault(error, "features"))
            continue
        rows = len(arrays[vid])
        if lengths_disagree(duration, rows, clip_length):
            said = f"{rows} rows for {duration:g} s at {clip_length:g} s per row; {duration / rows:.3g} s would fit"
            faults.append(Fault(str(path), "length", said))
    faults += _odd_widths(folder, arrays)
    return arrays


def _odd_widths(folder: Path, arrays: Mapping[str, np.ndarray]) -> list[Fault]:
    widths = [array.shape[1] for array in arrays.values()]
    if not widths:
        return []
    common = max(set(widths), key=widths.count)
    return [
        Fault(str(folder / vid), "width", f"width {array.shape[1]}; the other videos have {common}")
        for vid, array in arrays.items()
        if array.shape[1] != common
    ]


def _fault(error: InputError, kind: str) -> Fault:
    place, _, message = str(error).partition(": ")
    return Fault(place, kind, message)
