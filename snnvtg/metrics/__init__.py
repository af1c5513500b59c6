"""The field's metrics: pure functions of queries and predictions, vectorised, official figures reproduced."""

from snnvtg.metrics.clip_ranking import tvsum_metrics, youtube_metrics
from snnvtg.metrics.intervals import Comparison, Interval, bootstrap_interval, paired_comparison
from snnvtg.metrics.qvhighlights import per_query_results, qvhighlights_metrics
from snnvtg.metrics.recall import fit_prior, per_query_iou, prior_predictions, recall_summary, retrieval_metrics
from snnvtg.metrics.suppression import nms
from snnvtg.metrics.video_retrieval import video_retrieval_metrics

__all__ = [
    "Comparison",
    "Interval",
    "bootstrap_interval",
    "fit_prior",
    "nms",
    "paired_comparison",
    "per_query_iou",
    "per_query_results",
    "prior_predictions",
    "qvhighlights_metrics",
    "recall_summary",
    "retrieval_metrics",
    "tvsum_metrics",
    "video_retrieval_metrics",
    "youtube_metrics",
]
