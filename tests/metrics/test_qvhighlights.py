import json
import os
import time
from pathlib import Path

import pytest

from snnvtg.data import read_annotations
from snnvtg.data.submissions import read_submission
from snnvtg.errors import InputError
from snnvtg.metrics import per_query_results, qvhighlights_metrics
from snnvtg.metrics.recall import retrieval_metrics

needs_data = pytest.mark.skipif("SNNVTG_DATA" not in os.environ, reason="SNNVTG_DATA names no folder of real data")


@pytest.fixture(scope="module")
def official():
    folder = Path(os.environ["SNNVTG_DATA"]) / "qvhighlights"
    queries = read_annotations(folder / "highlight_val_release.jsonl")
    predictions = read_submission(folder / "golden" / "sample_val_preds.jsonl")
    return predictions, queries, folder / "golden" / "sample_val_preds_metrics_raw.json"


@needs_data
def test_every_figure_of_the_official_evaluator_is_reproduced(official):
    predictions, queries, golden = official
    start = time.perf_counter()
    found = qvhighlights_metrics(predictions, queries)
    seconds = time.perf_counter() - start
    # values, key names and order of keys
    assert json.dumps(found, indent=4) == json.dumps(json.loads(golden.read_text()), indent=4)
    assert seconds < 5  # 0.2 s on two idle cores


@needs_data
def test_permuted_queries_and_predictions_change_nothing(official):
    predictions, queries, golden = official
    found = qvhighlights_metrics(predictions[::-1], queries[700:] + queries[:700])
    assert found == json.loads(golden.read_text())


@needs_data
def test_per_query_results_average_to_the_figures(official):
    predictions, queries, golden = official
    results = per_query_results(predictions, queries)
    brief = json.loads(golden.read_text())["brief"]
    assert 100 * results["mAP"].mean() == pytest.approx(brief["MR-full-mAP"], abs=0.005)
    assert 100 * (results["IoU"] >= 0.5).mean() == pytest.approx(brief["MR-full-R1@0.5"], abs=0.005)
    for level in ("Fair", "Good", "VeryGood"):
        for figure in ("mAP", "Hit1"):
            name = f"HL-min-{level}-{figure}"
            assert 100 * results[name].mean() == pytest.approx(brief[name], abs=0.005)


def test_ranges_filter_truths_and_leave_out_queries_without_one(query, prediction):
    # lengths: 10 is short, 30 is middle, 40 is long; the borders belong below
    queries = [query(1, (0.0, 10.0), (100.0, 130.0)), query(2, (0.0, 40.0))]
    predictions = [prediction(1, (0, 10, 0.9), (100, 130, 0.8)), prediction(2, (50, 60, 0.9))]
    found = qvhighlights_metrics(predictions, queries)
    assert found["short"]["MR-R1"]["0.5"] == 100
    assert found["short"]["MR-mAP"]["average"] == 100
    # the first window misses the middle truth, which the second window finds: AP 1/2
    assert found["middle"]["MR-R1"]["0.5"] == 0
    assert found["middle"]["MR-mAP"]["average"] == 50
    assert found["long"]["MR-mAP"]["average"] == 0
    assert found["full"]["MR-mAP"]["average"] == 50
    assert found["brief"]["MR-full-R1@0.7"] == 50


def test_a_range_without_truth_and_highlights_without_ratings_are_left_out(query, prediction):
    found = qvhighlights_metrics([prediction(1, (0, 10, 1))], [query(1, (0.0, 10.0))])
    assert list(found) == ["brief", "full", "short"]
    assert not any(name.startswith("HL") for name in found["brief"])


def test_figures_are_rounded_after_averaging(query, prediction):
    # one of three found: 33.333… → 33.33, and R1 agrees with the unrounded metric
    queries = [query(i, (0.0, 20.0)) for i in range(3)]
    predictions = [prediction(i, (0, 20, 1) if i == 0 else (50, 60, 1)) for i in range(3)]
    found = qvhighlights_metrics(predictions, queries)
    assert found["brief"]["MR-full-mAP"] == 33.33
    assert found["brief"]["MR-full-R1@0.5"] == round(retrieval_metrics(predictions, queries)["R1@0.5"], 2)


def test_missing_saliency_of_a_rated_query_is_named(query, prediction):
    queries = [query(1, (0.0, 4.0), duration=4.0, ratings={0: (4, 4, 4)})]
    with pytest.raises(InputError, match="qid 1: pred_saliency_scores is empty"):
        qvhighlights_metrics([prediction(1, (0, 4, 1))], queries)
    with pytest.raises(InputError, match="qid 2 has no saliency_scores, others have"):
        qvhighlights_metrics(
            [prediction(1, (0, 4, 1), saliency=(1,)), prediction(2, (0, 4, 1), saliency=(1,))],
            [*queries, query(2, (0.0, 4.0), duration=4.0)],
        )
