"""Partially relevant video retrieval: which of many videos holds the moment a query asks for."""

from collections.abc import Mapping, Sequence

import numpy as np

from snnvtg.errors import InputError
from snnvtg.records import Query

RANKS = (1, 5, 10, 100)


def video_retrieval_metrics(scores: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    """R@1, R@5, R@10, R@100 and their sum SumR, in percent, unrounded.

    scores (Q, V) of every video for every query; relevant (Q, V) bool, at least one true per row.
    """
    return rank_summary(best_ranks(scores, relevant))


def rank_summary(ranks: np.ndarray) -> dict[str, float]:
    """The same figures from the ranks (Q,) of `best_ranks`."""
    figures = {f"R@{rank}": 100.0 * float(np.mean(ranks <= rank)) for rank in RANKS}
    return figures | {"SumR": sum(figures.values())}


def best_ranks(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Rank (Q,), from 1, of each query's best-scored relevant video.

    Ties are read pessimistically: an irrelevant video of the same score ranks above.
    """
    scores, relevant = np.asarray(scores, dtype=np.float64), np.asarray(relevant, dtype=bool)
    if scores.ndim != 2 or scores.shape != relevant.shape:
        raise InputError(f"scores {scores.shape} and relevant {relevant.shape}; expected the same (queries, videos)")
    if not np.isfinite(scores).all():
        raise InputError("scores hold NaN or infinity; expected a finite score for every query and video")
    without = ~relevant.any(axis=1)
    if without.any():
        raise InputError(f"query {int(np.argmax(without))} has no relevant video; remove it or add its video")
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((scores >= best) & ~relevant).sum(axis=1)


def relevance(query_vids: Sequence[str], video_vids: Sequence[str]) -> np.ndarray:
    """relevant (Q, V): the PRVR view of a grounding split, in which a query's own video is its only relevant one."""
    return np.asarray(query_vids)[:, None] == np.asarray(video_vids)[None]


def ranking_ranks(rankings: Mapping[int | str, Mapping[str, float]], queries: Sequence[Query]) -> np.ndarray:
    """Rank (Q,) of each query's own video in `rankings` (qid → vid → score) among all videos of `queries`.

    A video that is not listed ranks behind all listed ones, so a query's own does so with every other unlisted one
    ahead of it. InputError names a qid that is missing or unknown and a vid that is no video of the split.
    """
    vids = tuple(dict.fromkeys(query.vid for query in queries))
    column = {vid: place for place, vid in enumerate(vids)}
    missing = [query.qid for query in queries if query.qid not in rankings]
    if missing:
        raise InputError(f"qid {missing[0]!r} has no ranking ({len(missing)} such); rank videos for every query")
    known = {query.qid for query in queries}
    unknown = [qid for qid in rankings if qid not in known]
    if unknown:
        raise InputError(
            f"qid {unknown[0]!r} is ranked but not annotated ({len(unknown)} such); name the right annotations"
        )
    scores = np.empty((len(queries), len(vids)))
    for row, query in enumerate(queries):
        ranking = rankings[query.qid]
        strange = next((vid for vid in ranking if vid not in column), None)
        if strange is not None:
            raise InputError(
                f"qid {query.qid!r} ranks {strange!r}, which is no video of the annotations; name the right ones"
            )
        scores[row] = np.nextafter(min(ranking.values()), -np.inf)
        for vid, score in ranking.items():
            scores[row, column[vid]] = score
    return best_ranks(scores, relevance([query.vid for query in queries], vids))
