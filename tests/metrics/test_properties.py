"""What holds of every figure whatever the predictions: the order of queries is nothing, a better answer never hurts."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnvtg.metrics import retrieval_metrics
from snnvtg.metrics.average_precision import ranked_windows, window_average_precision
from snnvtg.metrics.evaluations import EVALUATIONS, VIDEO_RETRIEVAL
from snnvtg.metrics.recall import padded_windows
from snnvtg.records import Prediction, Query

calm = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
CLIPS = 8
window = st.tuples(st.integers(0, 12), st.integers(1, 4)).map(lambda w: (float(w[0]), float(w[0] + w[1])))
scores = st.lists(st.integers(-3, 3).map(float), min_size=CLIPS, max_size=CLIPS).map(tuple)
ratings = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 3), min_size=CLIPS, max_size=CLIPS).map(tuple)
predicted = st.lists(window, min_size=1, max_size=12).map(
    lambda ws: tuple((*w, 1.0 / (i + 2)) for i, w in enumerate(ws))
)


@st.composite
def cases(draw):
    """Queries with windows and ratings of 16 s, and predictions for them."""
    queries, predictions = [], []
    for qid in range(draw(st.integers(2, 5))):
        truth = tuple(draw(st.lists(window, min_size=1, max_size=3, unique=True)))
        rows, tags = draw(ratings), (draw(st.sampled_from("AB")),)
        queries.append(Query(qid, "q", f"v{qid % 3}", 16.0, truth, tuple(range(CLIPS)), rows, tags))
        predictions.append(Prediction(qid, "q", f"v{qid % 3}", draw(predicted), draw(scores)))
    return queries, predictions


@pytest.mark.parametrize("name", [name for name in EVALUATIONS if name != "video_retrieval"])
def test_permuted_queries_and_predictions_change_no_figure(name):
    @calm
    @given(cases(), st.randoms())
    def holds(case, random):
        queries, predictions = case
        before = EVALUATIONS[name].figures(predictions, queries)["brief"]
        turned, answers = list(queries), list(predictions)
        random.shuffle(turned)
        random.shuffle(answers)
        # sums in another order may round to another last figure
        assert EVALUATIONS[name].figures(answers, turned)["brief"] == pytest.approx(before, abs=0.0101)

    holds()


@calm
@given(cases(), st.randoms())
def test_permuted_queries_change_no_ranking_figure(case, random):
    queries, predictions = case
    rankings = {
        p.qid: {f"v{i % 3}": score for i, score in enumerate(p.pred_saliency_scores[: len(queries)])}
        for p in predictions
    }
    turned = list(queries)
    random.shuffle(turned)
    before = VIDEO_RETRIEVAL.figures(rankings, queries)["brief"]
    assert VIDEO_RETRIEVAL.figures(rankings, turned)["brief"] == pytest.approx(before)


def nearer(given_window, truth, share):
    """A window moved a share of the way to a true one."""
    return tuple(a + share * (b - a) for a, b in zip(given_window, truth, strict=True))


@calm
@given(
    st.lists(window, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), window), min_size=1, max_size=9),
    st.data(),
)
def test_a_window_moved_towards_its_truth_never_hurts_map(lengths, guesses, data):
    # truths far apart, each guess in the neighbourhood of one: it cannot take another's place
    truth = [(100.0 * i + a, 100.0 * i + b) for i, (a, b) in enumerate(lengths)]
    owners = [owner % len(truth) for owner, _ in guesses]
    before = [(100.0 * owner + a, 100.0 * owner + b) for owner, (_, (a, b)) in zip(owners, guesses, strict=True)]
    chosen = data.draw(st.integers(0, len(before) - 1))
    share = data.draw(st.sampled_from([0.25, 0.5, 0.75, 1.0]))
    after = list(before)
    after[chosen] = nearer(before[chosen], truth[owners[chosen]], share)
    query = Query(0, "q", "v", 400.0, tuple(truth))
    figures = []
    for windows in (before, after):
        answer = Prediction(0, "q", "v", tuple((*w, 1.0 - 0.01 * i) for i, w in enumerate(windows)))
        precision = window_average_precision(ranked_windows([answer]), padded_windows([query]))
        figures.append((precision[0], retrieval_metrics([answer], [query])["mIoU"]))
    assert (figures[1][0] >= figures[0][0] - 1e-12).all()
    if chosen == 0 and len(truth) == 1:
        assert figures[1][1] >= figures[0][1] - 1e-9


@calm
@given(cases())
def test_the_truth_as_answer_is_the_best_there_is(case):
    queries, predictions = case
    perfect = [
        Prediction(
            q.qid, q.query, q.vid, tuple((*w, 1.0) for w in dict.fromkeys(q.relevant_windows)),
            tuple(float(np.max(row)) for row in q.saliency_scores),
        )
        for q in queries
    ]  # fmt: skip
    ours, theirs = (EVALUATIONS["qvhighlights"].figures(p, queries)["brief"] for p in (perfect, predictions))
    assert ours["MR-full-R1@0.7"] == 100
    assert all(ours[name] >= theirs[name] for name in ours if name.startswith("MR-full") or name.endswith("Hit1"))
