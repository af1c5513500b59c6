"""Predictions and metrics of a model on a split."""

import torch
from torch import nn

from snnvtg.data import GroundingDataset
from snnvtg.metrics import retrieval_metrics
from snnvtg.models.output import predict
from snnvtg.records import Prediction


@torch.no_grad()
def evaluate(
    model: nn.Module, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu"
) -> tuple[dict[str, float], list[Prediction]]:
    """Metrics in percent (R1@0.3, R1@0.5, R1@0.7, mIoU) and the predictions of `model` on `dataset`."""
    was_training = model.training
    model.eval()
    predictions: list[Prediction] = []
    for batch in dataset.batches(batch_size):
        moved = batch.to(device)
        predictions += predict(model(moved), moved, model.config.decoding)
    model.train(was_training)
    return retrieval_metrics(predictions, dataset.queries), predictions
