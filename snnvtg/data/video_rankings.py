"""Which videos a tool ranks first for a query (PRVR): a jsonl line `{qid, query, pred_videos: [[vid, score]…]}`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from snnvtg.data.annotations import check_unique, json_line, number, parse_qid, read_jsonl, require, sequence
from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.records import Query

Ranking = Mapping[str, float]
"""vid → score, higher is better"""


def read_video_rankings(path: Path | str) -> dict[int | str, Ranking]:
    """qid → ranking of any tool's file; every fault is an InputError naming file and line.

    A line may hold the whole collection or its best part; the order in it does not matter.
    """
    rankings: dict[int | str, Ranking] = {}
    seen: dict[str, str] = {}
    for place, record in read_jsonl(path):
        qid = parse_qid(record, place)
        check_unique(seen, qid, place)
        scores: dict[str, float] = {}
        for entry in sequence(require(record, "pred_videos", place), "pred_videos", place):
            vid, score = sequence(entry, "pred_videos", place, length=2)
            if not isinstance(vid, str):
                raise InputError(f"{place}: 'pred_videos' holds a vid that is no text; expected [[vid, score], …]")
            if vid in scores:
                raise InputError(f"{place}: 'pred_videos' of qid {qid!r} has video {vid!r} twice; keep one")
            scores[vid] = number(score, "pred_videos", place)
        if not scores:
            raise InputError(f"{place}: 'pred_videos' of qid {qid!r} is empty; rank at least one video")
        rankings[qid] = scores
    if not rankings:
        raise InputError(f"{path}: no rankings in it; expected one JSON object per line")
    return rankings


def write_video_rankings(queries: Sequence[Query], rankings: Sequence[Ranking], path: Path | str) -> None:
    """Write one ranking per query, best video first, atomically."""
    lines = []
    for query, ranking in zip(queries, rankings, strict=True):
        ordered = sorted(ranking.items(), key=lambda item: -item[1])
        record = {"qid": query.qid, "query": query.query, "pred_videos": [list(item) for item in ordered]}
        lines.append(json_line(record))
    with atomic(Path(path)) as scratch:
        scratch.write_text("".join(lines), encoding="utf-8")
