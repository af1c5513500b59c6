"""Predictions and metrics of a model on a split."""

import torch
from torch import nn

from snnvtg.data import GroundingDataset
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.models.output import predict
from snnvtg.records import Prediction


def evaluate(
    model: nn.Module, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu"
) -> tuple[dict[str, float], list[Prediction]]:
    """Metrics in percent, as `dataset.evaluation` counts them, and the predictions of `model` on `dataset`.

    `recall` gives R1@0.3, R1@0.5, R1@0.7 and mIoU; the other evaluations the `brief` part of their layout.
    """
    predictions = predict_split(model, dataset, batch_size=batch_size, device=device)
    return EVALUATIONS[dataset.evaluation].figures(predictions, dataset.queries)["brief"], predictions


@torch.no_grad()
def predict_split(
    model: nn.Module, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu"
) -> list[Prediction]:
    """The predictions of `model` on `dataset`, in its order; truths are not looked at."""
    was_training = model.training
    model.eval()
    predictions: list[Prediction] = []
    for batch in dataset.batches(batch_size):
        moved = batch.to(device)
        predictions += predict(model(moved), moved, model.config.decoding)
    model.train(was_training)
    return predictions
