"""Nine real QVHighlights videos end to end: features, model, submission file, official figures."""

import os
from pathlib import Path

import pytest
import torch

from snnvtg.data.benchmarks import benchmark
from snnvtg.data.folder import load_splits
from snnvtg.data.submissions import read_submission, write_submission
from snnvtg.data.text import GloveText
from snnvtg.metrics import qvhighlights_metrics
from snnvtg.models.spikemba import SpikeMba
from snnvtg.records import Prediction
from snnvtg.training import evaluate

pytestmark = pytest.mark.skipif("SNNVTG_DATA" not in os.environ, reason="SNNVTG_DATA names no folder of real data")


@pytest.fixture(scope="module")
def mini():
    root = Path(os.environ["SNNVTG_DATA"])
    glove = root / "charades_sta" / "glove.charades.300d.txt"
    kind = benchmark("qvhighlights")
    return load_splits(
        dict.fromkeys(("train", "val", "test"), root / "qvhighlights" / "mini.jsonl"),
        name="qvhighlights mini",
        clip_length=kind.clip_length,
        feature_folders=lambda: [root / "qvhighlights" / "features" / "clip"],
        text=lambda queries: GloveText(glove, [query.query for query in queries]),
        read=kind.read,
    )


def test_windows_and_ratings_become_targets(mini):
    batch = mini.val.batch(range(9))
    assert batch.video.shape == (9, 75, 514) and batch.video_mask.all()
    assert any(len(query.relevant_windows) > 1 for query in batch.queries)
    for row, query in enumerate(batch.queries):
        rated = dict(zip(query.relevant_clip_ids, query.saliency_scores, strict=True))
        for clip in range(75):
            inside = any(start <= 2 * clip + 1 <= end for start, end in query.relevant_windows)
            assert bool(batch.foreground[row, clip]) == inside == (clip in rated)
            assert batch.saliency[row, clip] == pytest.approx(sum(rated[clip]) / 3 if clip in rated else 0)


def test_predictions_are_written_and_scored(mini, tiny, tmp_path):
    torch.manual_seed(0)
    figures, predictions = evaluate(SpikeMba(tiny, mini.video_width, mini.text_width), mini.test)
    write_submission(predictions, tmp_path / "submission.jsonl")
    scored = qvhighlights_metrics(read_submission(tmp_path / "submission.jsonl"), mini.test.queries)
    assert scored["brief"]["MR-full-R1@0.5"] == pytest.approx(figures["R1@0.5"], abs=0.01)
    assert {"HL-min-VeryGood", "full"} <= set(scored)


def test_the_annotations_as_their_own_answer_score_100(mini, tmp_path):
    answers = []
    for query in mini.val.queries:
        saliency = [0.0] * 75
        for clip, row in zip(query.relevant_clip_ids, query.saliency_scores, strict=True):
            saliency[clip] = float(max(row))
        windows = tuple((start, end, 1.0) for start, end in query.relevant_windows)
        answers.append(Prediction(query.qid, query.query, query.vid, windows, tuple(saliency)))
    brief = qvhighlights_metrics(answers, mini.val.queries)["brief"]
    assert brief["MR-full-mAP"] == brief["MR-full-R1@0.7"] == 100
    assert brief["HL-min-Fair-Hit1"] == 100
