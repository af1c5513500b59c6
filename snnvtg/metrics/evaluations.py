"""Each benchmark's figures under one name, and the per-query values they are averages of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snnvtg.metrics.clip_ranking import tvsum_metrics, tvsum_per_query, youtube_metrics, youtube_per_query
from snnvtg.metrics.qvhighlights import per_query_results, qvhighlights_metrics
from snnvtg.metrics.recall import THRESHOLDS, per_query_iou, retrieval_metrics
from snnvtg.metrics.video_retrieval import RANKS, rank_summary, ranking_ranks
from snnvtg.records import Prediction, Query

Predictions = Sequence[Prediction]
Queries = Sequence[Query]
Rankings = Mapping[int | str, Mapping[str, float]]


@dataclass(frozen=True)
class Evaluation:
    """`figures` in percent, in the benchmark's own layout; `per_query` in 0…1, (Q,) each, means in `figures`."""

    figures: Callable[[Any, Queries], dict[str, Any]]
    per_query: Callable[[Any, Queries], dict[str, np.ndarray]]
    select_on: str
    """the figure that chooses the best epoch"""
    compared: tuple[str, ...]
    """figures that are compared between models query by query, the first above all; names of `per_query`"""
    shown: tuple[str, ...]
    """figures that a narrow table shows"""


def _recall_per_query(predictions: Predictions, queries: Queries) -> dict[str, np.ndarray]:
    iou = per_query_iou(predictions, queries)
    return {f"R1@{threshold}": (iou >= threshold).astype(float) for threshold in THRESHOLDS} | {"mIoU": iou}


def _qvhighlights_per_query(predictions: Predictions, queries: Queries) -> dict[str, np.ndarray]:
    values = per_query_results(predictions, queries)
    iou = values.pop("IoU")
    recall = {f"MR-full-R1@{threshold}": (iou >= threshold).astype(float) for threshold in (0.5, 0.7)}
    return recall | {"MR-full-mAP": values.pop("mAP")} | values


EVALUATIONS = {
    "qvhighlights": Evaluation(
        qvhighlights_metrics,
        _qvhighlights_per_query,
        select_on="MR-full-mAP",
        compared=("MR-full-mAP", "MR-full-R1@0.5"),
        shown=("MR-full-R1@0.5", "MR-full-R1@0.7", "MR-full-mAP", "HL-min-VeryGood-mAP", "HL-min-VeryGood-Hit1"),
    ),
    "recall": Evaluation(
        lambda p, q: {"brief": retrieval_metrics(p, q)},
        _recall_per_query,
        select_on="mIoU",
        compared=("mIoU", "R1@0.5"),
        shown=("R1@0.5", "R1@0.7", "mIoU"),
    ),
    "tvsum": Evaluation(
        lambda p, q: {"brief": tvsum_metrics(p, q)},
        lambda p, q: {"mAP": tvsum_per_query(p, q)},
        select_on="mAP",
        compared=("mAP",),
        shown=("mAP",),
    ),
    "youtube": Evaluation(
        lambda p, q: {"brief": youtube_metrics(p, q)},
        lambda p, q: {"mAP": youtube_per_query(p, q)},
        select_on="mAP",
        compared=("mAP",),
        shown=("mAP",),
    ),
}
"""recall: R1@{.3,.5,.7} and mIoU, for Charades-STA, TACoS, ActivityNet Captions"""


def _ranks_per_query(rankings: Rankings, queries: Queries) -> dict[str, np.ndarray]:
    ranks = ranking_ranks(rankings, queries)
    found = {f"R@{rank}": (ranks <= rank).astype(float) for rank in RANKS}
    return found | {"SumR": np.sum(list(found.values()), axis=0)}


VIDEO_RETRIEVAL = Evaluation(
    lambda r, q: {"brief": rank_summary(ranking_ranks(r, q))},
    _ranks_per_query,
    select_on="SumR",
    compared=("SumR", "R@10"),
    shown=("R@1", "R@5", "R@10", "R@100", "SumR"),
)
"""PRVR of any split with windows; its predictions are rankings, qid → vid → score. SumR is 0…4 per query."""
EVALUATIONS["video_retrieval"] = VIDEO_RETRIEVAL
