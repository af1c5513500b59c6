"""The official submission file: a jsonl line `{qid, query, vid, pred_relevant_windows, pred_saliency_scores}` each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snnvtg.data.annotations import check_unique, json_line, number, parse_qid, read_jsonl, sequence
from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.records import Prediction


def read_submission(path: Path | str) -> tuple[Prediction, ...]:
    """Predictions of any tool's submission file; every fault is an InputError naming file and line.

    `query`, `vid` and `pred_saliency_scores` may be missing; an empty or missing window list may not.
    """
    path = Path(path)
    predictions, seen = [], {}
    for place, record in read_jsonl(path):
        prediction = parse_prediction(record, place)
        check_unique(seen, prediction.qid, place)
        predictions.append(prediction)
    if not predictions:
        raise InputError(f"{path}: no predictions in it; expected one JSON object per line")
    return tuple(predictions)


def write_submission(predictions: Sequence[Prediction], path: Path | str) -> None:
    """Write predictions as official evaluators read them, windows to 4 decimals of a second, atomically."""
    with atomic(Path(path)) as scratch:
        scratch.write_text("".join(submission_line(p) for p in predictions), encoding="utf-8")


def submission_line(prediction: Prediction) -> str:
    """One line of a submission file, with its line ending."""
    windows = [[round(start, 4), round(end, 4), score] for start, end, score in prediction.pred_relevant_windows]
    record = {
        "qid": prediction.qid,
        "query": prediction.query,
        "vid": prediction.vid,
        "pred_relevant_windows": windows,
        "pred_saliency_scores": list(prediction.pred_saliency_scores),
    }
    return json_line(record)


def parse_prediction(record: dict[str, Any], place: str) -> Prediction:
    """One Prediction from one jsonl object; `place` goes into the messages."""
    qid = parse_qid(record, place)
    windows = []
    for entry in sequence(record.get("pred_relevant_windows"), "pred_relevant_windows", place):
        values = sequence(entry, "pred_relevant_windows", place, length=3)
        windows.append(tuple(number(value, "pred_relevant_windows", place) for value in values))
    if not windows:
        raise InputError(f"{place}: 'pred_relevant_windows' of qid {qid!r} is empty; predict at least one window")
    scores = sequence(record.get("pred_saliency_scores", []), "pred_saliency_scores", place)
    return Prediction(
        qid=qid,
        query=str(record.get("query", "")),
        vid=str(record.get("vid", "")),
        pred_relevant_windows=tuple(windows),
        pred_saliency_scores=tuple(number(score, "pred_saliency_scores", place) for score in scores),
    )
