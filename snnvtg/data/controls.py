"""Controls: a split with something taken from it, to see whether a model looks at that.

What a model still gets right with the queries shuffled, it gets right without reading; with another video in place of
its own, without looking.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from snnvtg.data.dataset import GroundingDataset, other_video_order
from snnvtg.data.features import ENDPOINTS, time_endpoints

Control = Callable[[GroundingDataset, int], GroundingDataset]


def shuffled_query(split: GroundingDataset, seed: int) -> GroundingDataset:
    """Each query asks with the words of a query about another video; windows, qids and videos stay.

    Needs at least two videos with no video owning more than half of the queries, else InputError.
    """
    order = other_video_order([query.vid for query in split.queries], seed)
    queries = tuple(replace(q, query=split.queries[i].query) for q, i in zip(split.queries, order, strict=True))
    return replace(split, queries=queries, texts=tuple(split.texts[i] for i in order))


def other_video(split: GroundingDataset, seed: int) -> GroundingDataset:
    """Every video is replaced by another one of the split, stretched to its length by the nearest clip."""
    vids = list(dict.fromkeys(query.vid for query in split.queries))
    order = other_video_order(vids, seed)
    shown = {vid: _stretched(split.videos[vids[i]], len(split.videos[vid])) for vid, i in zip(vids, order, strict=True)}
    return replace(split, videos=shown)


def shuffled_clips(split: GroundingDataset, seed: int) -> GroundingDataset:
    """The clips of every video in random order; the time endpoints, the last two features, stay in place."""
    generator = np.random.default_rng(seed)
    return _with_videos(split, lambda video: video[generator.permutation(len(video))])


def constant_video(split: GroundingDataset, seed: int) -> GroundingDataset:
    """Every clip is the mean clip of its video; the time endpoints, the last two features, stay."""
    return _with_videos(split, lambda video: np.broadcast_to(video.mean(0), video.shape))


CONTROLS: dict[str, Control] = {
    "shuffled-query": shuffled_query,
    "other-video": other_video,
    "shuffled-clips": shuffled_clips,
    "constant-video": constant_video,
}
"""(split, seed) -> the split a model is asked about instead"""


def _with_videos(split: GroundingDataset, change: Callable[[np.ndarray], np.ndarray]) -> GroundingDataset:
    changed = {}
    for vid in dict.fromkeys(query.vid for query in split.queries):
        video = split.videos[vid]
        shown = np.array(change(video), dtype=np.float32)
        if video.ndim == 2:
            shown[:, -ENDPOINTS:] = video[:, -ENDPOINTS:]
        changed[vid] = shown
    return replace(split, videos=changed)


def _stretched(video: np.ndarray, length: int) -> np.ndarray:
    """`video` sampled at `length` evenly spaced positions."""
    rows = ((np.arange(length) + 0.5) * len(video) / length).astype(int)
    shown = video[rows].copy()
    if video.ndim == 2:
        shown[:, -ENDPOINTS:] = time_endpoints(length)
    return shown
