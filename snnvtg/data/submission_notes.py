"""What a submission holds that no answer can mean: it is counted as it stands, and said once."""

from collections.abc import Callable, Iterator, Sequence

from snnvtg.data.benchmarks import Benchmark
from snnvtg.records import Prediction, Query

ROUNDED = 1e-3
"""seconds that a window may end behind its video: submissions are rounded"""
Finding = Callable[[Prediction, Query], str]
"""what is odd about an answer, '' where nothing is"""


def submission_notes(predictions: Sequence[Prediction], queries: Sequence[Query], kind: Benchmark) -> list[str]:
    """A line for each kind of oddity: how many answers have it and the first of them.

    `kind`: the data set of `queries`. Answers to none of them are left out: scoring refuses those.
    """
    asked = {query.qid: query for query in queries}
    pairs = [(prediction, asked[prediction.qid]) for prediction in predictions if prediction.qid in asked]
    kinds: dict[str, Finding] = {
        "windows that end before they begin": lambda p, q: _window(p, lambda start, end: end < start),
        "windows that begin before 0 s": lambda p, q: _window(p, lambda start, end: min(start, end) < 0),
        "windows that reach beyond their video": lambda p, q: _window(
            p, lambda start, end: max(start, end) > q.duration + ROUNDED, f" in a video of {q.duration:g} s"
        ),
        "more or fewer saliency scores than their video has clips": lambda p, q: _saliency(p, q, kind),
        "the id of another video": _video,
    }
    return [line for what, finding in kinds.items() for line in _told(what, [(p, finding(p, q)) for p, q in pairs])]


def _told(what: str, found: Sequence[tuple[Prediction, str]]) -> Iterator[str]:
    odd = [(prediction, said) for prediction, said in found if said]
    if odd:
        first, said = odd[0]
        yield f"{len(odd)} of {len(found)} answers have {what}, counted as they are; the first, qid {first.qid}: {said}"


def _window(prediction: Prediction, odd: Callable[[float, float], bool], where: str = "") -> str:
    for start, end, _ in prediction.pred_relevant_windows:
        if odd(start, end):
            return f"[{start:g}, {end:g}]{where}"
    return ""


def _saliency(prediction: Prediction, query: Query, kind: Benchmark) -> str:
    given = len(prediction.pred_saliency_scores)
    if query.saliency_scores is None or not given:
        return ""
    clips = len(query.saliency_scores) if kind.good is not None else int(query.duration / kind.clip_length)
    return "" if given == clips else f"{given} for {clips} clips of {kind.clip_length:g} s"


def _video(prediction: Prediction, query: Query) -> str:
    same = prediction.vid in ("", query.vid)
    return "" if same else f"{prediction.vid:.60}, the annotations have {query.vid:.60}"
