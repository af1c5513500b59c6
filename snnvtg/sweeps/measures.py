"""What a sweep may measure of every row beside accuracy and energy: `measures: [ranking, speed]`."""

import copy
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from snnvtg.data import DataSplits
from snnvtg.memory import peak_of
from snnvtg.metrics.video_retrieval import relevance, video_retrieval_metrics
from snnvtg.models import GroundingModel, TrainingConfig
from snnvtg.training.evaluation import video_scores

Measure = Callable[[GroundingModel, DataSplits, str, TrainingConfig, str], dict[str, Any]]
RANKED = 128
"""queries that are asked of every video"""
QUERIES = 50
"""whose latencies the median is taken of, after a tenth as many to warm up"""


def ranking(
    model: GroundingModel, data: DataSplits, split: str, training: TrainingConfig, device: str
) -> dict[str, float]:
    """R@1, R@5, R@10, R@100 and SumR in percent: which video of the split holds the moment of each query.

    Of RANKED queries at most, evenly spaced: a model whose text changes every clip passes each query through every
    video. Nothing for a model that cannot say, or that is scored by this already.
    """
    if model.needs.every_video or not model.ranks_videos():
        return {}
    dataset = getattr(data, split)
    asked = np.linspace(0, len(dataset) - 1, min(RANKED, len(dataset))).round().astype(int).tolist()
    scores, vids = video_scores(model, dataset, asked=asked, device=device)
    return video_retrieval_metrics(scores, relevance([dataset.queries[i].vid for i in asked], vids))


def speed(
    model: GroundingModel, data: DataSplits, split: str, training: TrainingConfig, device: str
) -> dict[str, float | None]:
    """`latency_ms`: median time of one query, asked alone; `peak_mb`: memory that one training step takes at its peak.

    Both on `device`, in as many threads as torch has; the step has the batch size of the model's training, and what
    the model, its gradients and the optimiser hold between steps is not in it.
    """
    return {
        "latency_ms": latency(model, getattr(data, split), device),
        "peak_mb": step_peak(model, data, training, device),
    }


@torch.no_grad()
def latency(model: GroundingModel, dataset: Any, device: str) -> float:
    """Median milliseconds from a query's features on the device to its answer."""
    model.eval()
    seconds = []
    for batch in itertools.islice(dataset.batches(1), QUERIES + QUERIES // 10):
        moved = batch.to(device)
        _finish(device)
        begun = time.perf_counter()
        model.predict(model(moved), moved)
        _finish(device)
        seconds.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(seconds[len(seconds) // 11 :]))


def step_peak(model: GroundingModel, data: DataSplits, training: TrainingConfig, device: str) -> float | None:
    """Megabytes of forward, losses and backward of one batch; None where the system does not say (no Linux)."""
    trained = copy.deepcopy(model).train()
    batch = next(iter(data.train.batches(training.batch_size, seed=0))).to(device)

    def step() -> None:
        trained.zero_grad(set_to_none=False)
        sum(trained.losses(trained(batch), batch).values()).backward()

    step()  # gradients are there, and what is compiled or built once
    try:
        return peak_of(step, device)[0]
    except OSError:
        return None


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


MEASURES: dict[str, Measure] = {"ranking": ranking, "speed": speed}
