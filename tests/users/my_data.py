"""A data set of a user's own, in one file: `--dataset my_data.py:MINE --features FOLDER`.

Its jsonl lines are {"id", "sentence", "video", "seconds", "moment": [start, end]}; a feature row covers a second.
"""

from typing import Any

from snnvtg.data.annotations import require
from snnvtg.data.benchmarks import Benchmark
from snnvtg.records import Query


def parse(record: dict[str, Any], place: str) -> Query:
    start, end = require(record, "moment", place)
    return Query(
        qid=record["id"],
        query=record["sentence"],
        vid=record["video"],
        duration=float(record["seconds"]),
        relevant_windows=((float(start), float(end)),),
    )


MINE = Benchmark(clip_length=1.0, parse=parse, evaluation="recall")
