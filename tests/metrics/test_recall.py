import numpy as np
import pytest

from snnvtg.errors import InputError
from snnvtg.metrics import fit_prior, per_query_iou, prior_predictions, retrieval_metrics


def test_recall_counts_an_iou_at_the_threshold_and_the_first_window_alone(query, prediction):
    queries = [query(1, (0.0, 10.0)), query(2, (0.0, 10.0)), query(3, (0.0, 10.0)), query(4, (0.0, 10.0))]
    predictions = [
        prediction(1, (0, 5, 0.1), (0, 10, 0.9)),  # IoU exactly 0.5, whatever the scores say
        prediction(2, (0, 3, 1)),  # exactly 0.3
        prediction(3, (0, 9, 1)),  # 0.9
        prediction(4, (20, 30, 1)),  # 0
    ]
    figures = retrieval_metrics(predictions, queries)
    assert figures == pytest.approx({"R1@0.3": 75, "R1@0.5": 50, "R1@0.7": 25, "mIoU": 100 * (0.5 + 0.3 + 0.9) / 4})
    assert list(figures) == ["R1@0.3", "R1@0.5", "R1@0.7", "mIoU"]


def test_of_several_true_windows_the_best_met_counts(query, prediction):
    queries = [query(1, (0.0, 4.0), (10.0, 20.0)), query(2, (0.0, 4.0))]
    iou = per_query_iou([prediction(2, (0, 2, 1)), prediction(1, (10, 18, 1))], queries)
    assert iou.tolist() == [0.8, 0.5]


@pytest.mark.parametrize(
    ("qids", "said"),
    [
        ([1], "qid 2 has no prediction (1 such)"),
        ([1, 2, 3], "qid 3 is predicted but not annotated"),
        ([1, 2, 2], "qid 2 is predicted twice"),
        ([1, "2"], "qid 2 has no prediction"),
    ],
)
def test_qids_that_do_not_match_are_named(query, prediction, qids, said):
    with pytest.raises(InputError) as caught:
        retrieval_metrics([prediction(q, (0, 1, 1)) for q in qids], [query(1, (0.0, 1.0)), query(2, (0.0, 1.0))])
    assert said in str(caught.value)


def test_a_query_without_a_window_on_either_side_is_named(query, prediction):
    with pytest.raises(InputError, match="qid 1: pred_relevant_windows is empty"):
        retrieval_metrics([prediction(1)], [query(1, (0.0, 1.0))])
    with pytest.raises(InputError, match="qid 1 has no relevant_windows"):
        retrieval_metrics([prediction(1, (0, 1, 1))], [query(1)])
    with pytest.raises(InputError, match="no queries"):
        retrieval_metrics([], [])


def test_the_prior_is_the_best_span_of_the_grid(query):
    # two thirds of the answers are the span [0.2, 0.6]: it alone gives R1@0.5 = 2/3 with IoU 1
    queries = [
        query(1, (20.0, 60.0), duration=100.0),
        query(2, (2.0, 6.0), duration=10.0),
        query(3, (9.0, 10.0), duration=10.0),
    ]
    assert fit_prior(queries) == (0.2, 0.6)
    assert fit_prior(queries, step=0.2) == (0.2, 0.6)
    assert prior_predictions(queries, (0.2, 0.6))[1].pred_relevant_windows == ((2.0, 6.0, 1.0),)


def test_the_prior_beats_every_other_span_of_the_grid(query):
    generator = np.random.default_rng(0)
    starts = generator.uniform(0, 60, size=40)
    queries = [
        query(i, (s, s + w), duration=100.0)
        for i, (s, w) in enumerate(zip(starts, generator.uniform(5, 40, 40), strict=True))
    ]

    def value(span):
        figures = retrieval_metrics(prior_predictions(queries, span), queries)
        return figures["R1@0.5"] + figures["mIoU"]

    best = value(fit_prior(queries, step=0.1))
    ticks = np.linspace(0, 1, 11)
    assert best == pytest.approx(max(value((a, b)) for a in ticks for b in ticks if b > a + 0.05))


def test_permuted_queries_change_nothing(query, prediction):
    queries = [query(i, (float(i), i + 10.0)) for i in range(9)]
    predictions = [prediction(i, (2.0 * i, 2 * i + 10.0, 1)) for i in range(9)]
    assert retrieval_metrics(predictions[::-1], queries[4:] + queries[:4]) == pytest.approx(
        retrieval_metrics(predictions, queries)
    )
