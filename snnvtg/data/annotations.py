"""The jsonl annotations of the field, read strictly: every fault names the file, the line and what to do."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.records import Query, Windows


def read_annotations(path: Path | str, *, require_windows: bool = True) -> tuple[Query, ...]:
    """Queries of a jsonl file with keys `qid query duration vid relevant_windows [relevant_clip_ids saliency_scores]`.

    `require_windows=False` admits queries without answers (a test split). Raises InputError naming file and line.
    """
    return read_queries(path, partial(parse_query, require_windows=require_windows))


def read_queries(path: Path | str, parse: Callable[[dict[str, Any], str], Query]) -> tuple[Query, ...]:
    """Queries of a jsonl file in any format: `parse` makes one of an object and its place ('file:line')."""
    return tuple(iterate_queries(path, parse))


def iterate_annotations(path: Path | str) -> Iterator[Query]:
    """As `read_annotations`, one query at a time."""
    return iterate_queries(path, parse_query)


def iterate_queries(path: Path | str, parse: Callable[[dict[str, Any], str], Query]) -> Iterator[Query]:
    """As `read_queries`, one query at a time."""
    seen: dict[str, str] = {}
    for place, record in read_jsonl(path):
        query = parse(record, place)
        check_unique(seen, query.qid, place)
        yield query
    if not seen:
        raise InputError(f"{path}: no queries in it; expected one JSON object per line")


def write_annotations(queries: Sequence[Query], path: Path | str) -> None:
    """Write queries as jsonl with the keys `read_annotations` reads (absent ones left out), atomically."""
    lines = [json.dumps(_as_record(query), ensure_ascii=False) for query in queries]
    with atomic(Path(path)) as scratch:
        scratch.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def read_jsonl(
    path: Path | str, *, on_fault: Callable[[InputError], None] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, object) for each non-blank line; place is 'file:line' for messages.

    A malformed line raises InputError, or is handed to `on_fault` and left out.
    """
    for number, line in enumerate(_lines(Path(path)), start=1):
        if line.strip():
            place = f"{path}:{number}"
            try:
                record = _parse_line(line, place)
            except InputError as error:
                if on_fault is None:
                    raise
                on_fault(error)
                continue
            yield place, record


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file without their ends; InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield line.removesuffix(b"\n")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a jsonl file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a jsonl file") from None


def json_line(record: dict[str, Any]) -> str:
    """An answer as a line of a jsonl file, with its ending; InputError where a number in it is not finite."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        said = "the answer holds a number that is not finite, which is no JSON"
        raise InputError(f"qid {record['qid']!r}: {said}; look at the features, or train the model again") from None


def parse_query(record: dict[str, Any], place: str, *, require_windows: bool = True) -> Query:
    """One Query from one jsonl object; `place` goes into the messages."""
    duration = number(require(record, "duration", place), "duration", place)
    if duration <= 0:
        raise InputError(f"{place}: 'duration' is {duration:g}; expected seconds above 0")
    windows = _windows(record, duration, place, required=require_windows)
    clip_ids, scores = _saliency(record, place)
    return Query(
        qid=parse_qid(record, place),
        query=text(record, "query", place),
        vid=text(record, "vid", place),
        duration=duration,
        relevant_windows=windows,
        relevant_clip_ids=clip_ids,
        saliency_scores=scores,
    )


def parse_qid(record: dict[str, Any], place: str) -> int | str:
    """The `qid`, an integer or a non-empty string."""
    qid = require(record, "qid", place)
    if isinstance(qid, bool) or not isinstance(qid, int | str) or qid == "":
        raise InputError(f"{place}: 'qid' is {_short(qid)}; expected an integer or a string")
    return qid


def check_unique(seen: dict[str, str], qid: int | str, place: str) -> None:
    """Note a qid's place in `seen`; InputError if it was there before."""
    # 7 and "7" would name one feature file, so they count as one
    first = seen.setdefault(str(qid), place)
    if first != place:
        raise InputError(f"{place}: duplicate qid {qid!r}, first at {first}; give each query its own qid")


def require(record: dict[str, Any], key: str, place: str) -> Any:
    """record[key], or InputError naming the key."""
    if key not in record:
        raise InputError(f"{place}: key {key!r} is missing; keys there: {', '.join(sorted(record)) or 'none':.160}")
    return record[key]


def number(value: Any, what: str, place: str) -> float:
    """A finite JSON number as float, or InputError."""
    if type(value) is float and -math.inf < value < math.inf:  # nearly all of them
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{place}: {what!r} holds {_short(value)}; expected a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InputError(f"{place}: {what!r} holds {_short(value)}; expected a finite number")
    return result


def text(record: dict[str, Any], key: str, place: str) -> str:
    """A non-blank JSON string, or InputError."""
    value = require(record, key, place)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: {key!r} is {_short(value)}; expected a non-empty string")
    return value


def sequence(value: Any, what: str, place: str, *, length: int | None = None) -> list:
    """A JSON list (of `length`), or InputError."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        wanted = "a list" if length is None else f"a list of {length}"
        raise InputError(f"{place}: {what!r} holds {_short(value)}; expected {wanted}")
    return value


def _parse_line(line: bytes, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{place}: malformed JSON ({error.msg}, column {error.colno}); fix or remove the line"
        ) from None
    except (RecursionError, ValueError) as error:
        # lists nested without end, integers of thousands of digits
        raise InputError(f"{place}: malformed JSON ({error}); fix or remove the line") from None
    if not isinstance(record, dict):
        raise InputError(f"{place}: a {type(record).__name__}; expected one JSON object per line")
    if b"\\u" in line:
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(f"{place}: half a character (a lone \\ud800…\\udfff); save the file as UTF-8") from None
    return record


def _windows(record: dict[str, Any], duration: float, place: str, *, required: bool) -> Windows:
    found = record.get("relevant_windows")
    if found is None:
        if required:
            require(record, "relevant_windows", place)
            raise InputError(f"{place}: 'relevant_windows' is null; expected [[start s, end s], …]")
        return ()
    windows = []
    for entry in sequence(found, "relevant_windows", place):
        start, end = (
            number(v, "relevant_windows", place) for v in sequence(entry, "relevant_windows", place, length=2)
        )
        if not 0 <= start < end:
            raise InputError(f"{place}: window [{start:g}, {end:g}] is not 0 ≤ start < end; correct relevant_windows")
        if end > duration:
            raise InputError(
                f"{place}: window [{start:g}, {end:g}] ends outside its video of {duration:g} s; "
                "correct relevant_windows or duration"
            )
        windows.append((start, end))
    if required and not windows:
        raise InputError(f"{place}: 'relevant_windows' is empty; expected at least one [start s, end s]")
    return tuple(windows)


def _saliency(
    record: dict[str, Any], place: str
) -> tuple[tuple[int, ...] | None, tuple[tuple[float, ...], ...] | None]:
    ids, scores = record.get("relevant_clip_ids"), record.get("saliency_scores")
    if ids is None and scores is None:
        return None, None
    if ids is None or scores is None:
        missing = "relevant_clip_ids" if ids is None else "saliency_scores"
        raise InputError(f"{place}: key {missing!r} is missing; relevant_clip_ids and saliency_scores go together")
    ids = sequence(ids, "relevant_clip_ids", place)
    scores = sequence(scores, "saliency_scores", place, length=len(ids))
    for clip in ids:
        if isinstance(clip, bool) or not isinstance(clip, int) or not 0 <= clip < 2**31:
            raise InputError(f"{place}: 'relevant_clip_ids' holds {_short(clip)}; expected integers from 0")
    if len(set(ids)) < len(ids):
        twice = next(clip for clip in ids if ids.count(clip) > 1)
        raise InputError(f"{place}: 'relevant_clip_ids' holds {twice} twice; rate each clip once")
    rows = [
        tuple(number(v, "saliency_scores", place) for v in sequence(row, "saliency_scores", place)) for row in scores
    ]
    if len({len(row) for row in rows}) > 1 or any(not row for row in rows):
        raise InputError(
            f"{place}: rows of 'saliency_scores' differ in length or are empty; one score per rater in each"
        )
    return tuple(ids), tuple(rows)


def _as_record(query: Query) -> dict[str, Any]:
    record: dict[str, Any] = {
        "qid": query.qid,
        "query": query.query,
        "duration": query.duration,
        "vid": query.vid,
    }
    if query.relevant_windows:
        record["relevant_windows"] = [list(window) for window in query.relevant_windows]
    if query.relevant_clip_ids is not None and query.saliency_scores is not None:
        record["relevant_clip_ids"] = list(query.relevant_clip_ids)
        record["saliency_scores"] = [list(row) for row in query.saliency_scores]
    return record


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "…"
