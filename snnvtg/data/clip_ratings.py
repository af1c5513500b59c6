"""The jsonl of TVSum and YouTube Highlights, where every clip of a video is rated and no window is given."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from snnvtg.data.annotations import number, parse_qid, require, sequence, text
from snnvtg.errors import InputError
from snnvtg.records import Query


def parse_tvsum(record: dict[str, Any], place: str) -> Query:
    """A video of TVSum: `label` has a row of annotators per 2-s clip.

    `duration` is ignored: in the public file it is the number of clips, not seconds. The domain becomes the tag.
    """
    return _parse(record, "label", 2.0, place)


def parse_youtube(record: dict[str, Any], place: str) -> Query:
    """A video of YouTube Highlights: `match` is 1, 0 or −1 per clip.

    The public clips are 100 frames long and overlap by half; they are laid out as 1-s clips, as the field's tools do,
    so the duration is their number and the time axis is nominal. The domain becomes the tag.
    """
    return _parse(record, "match", 1.0, place)


def above_median(ratings: np.ndarray) -> np.ndarray:
    """(C, R) → clips (C,) rated above the median of the video, mean over annotators: what TVSum's metric calls good."""
    means = ratings.mean(axis=1)
    return means > np.median(means)


def matched(ratings: np.ndarray) -> np.ndarray:
    """(C, R) → clips (C,) that match the query, as YouTube Highlights' metric counts them."""
    return ratings.mean(axis=1) > 0


def with_rated_windows(query: Query, clip_length: float, good: Callable[[np.ndarray], np.ndarray]) -> Query:
    """`query` with the runs of good clips as its windows, so that a model has a foreground to learn.

    These data sets have ratings alone; their metrics never look at windows.
    """
    flags = good(np.array(query.saliency_scores, dtype=np.float64)).astype(np.int8)
    edges = np.flatnonzero(np.diff(flags, prepend=0, append=0)) * clip_length
    windows = tuple((float(start), float(end)) for start, end in edges.reshape(-1, 2))
    return replace(query, relevant_windows=windows)


def of_domain(queries: Sequence[Query], domain: str) -> tuple[Query, ...]:
    """The videos of one domain; InputError lists the domains there are."""
    chosen = tuple(query for query in queries if domain in query.tags)
    if not chosen:
        there = sorted({tag for query in queries for tag in query.tags})
        raise InputError(f"no video of domain {domain!r}; domains there: {', '.join(there) or 'none'}")
    return chosen


def _parse(record: dict[str, Any], key: str, clip_length: float, place: str) -> Query:
    rows = sequence(require(record, key, place), key, place)
    if not rows:
        raise InputError(f"{place}: {key!r} is empty; expected the ratings of every clip")
    # `match` holds a bare number per clip, `label` a row
    scores = [tuple(number(v, key, place) for v in (row if isinstance(row, list) else [row])) for row in rows]
    if len({len(row) for row in scores}) > 1 or not scores[0]:
        raise InputError(f"{place}: rows of {key!r} differ in length or are empty; one score per annotator in each")
    return Query(
        qid=parse_qid(record, place),
        query=text(record, "query", place),
        vid=text(record, "vid", place),
        duration=len(scores) * clip_length,
        relevant_clip_ids=tuple(range(len(scores))),
        saliency_scores=tuple(scores),
        tags=(text(record, "domain", place),),
    )
