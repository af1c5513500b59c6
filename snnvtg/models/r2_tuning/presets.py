"""Settings and training of R²-Tuning by preset, and the paper's for each benchmark (Table 8)."""

from dataclasses import replace
from typing import Any

from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.r2_tuning.losses import R2LossConfig
from snnvtg.models.recipe import TRAINING, TrainingConfig

CONFIGS = {
    "paper": R2TuningConfig(),
    # the embedded synthetic set: final-layer features, of which there is one layer
    "demo": R2TuningConfig(
        num_layers=1,
        width=64,
        num_heads=4,
        input_dropout=0.1,
        point_place="centre",
        foreground_reads_saliency=True,
        loss=R2LossConfig(boundary=0.5, saliency=1.0, saliency_positives="all", saliency_negatives="batch"),
    ),
    # the paper's own form is blind with two thousand queries: its heads learn where moments usually lie. What sees is
    # the space in which calibration holds clips and query together, centred on the video and read by the foreground
    "small": R2TuningConfig(
        num_layers=1,
        width=64,
        num_heads=4,
        drop_features=True,
        head_dropout=0.25,
        centre_videos=True,
        standardise=True,
        time_endpoints=False,
        point_place="centre",
        saliency_of="frames",
        foreground_reads_saliency=True,
        decoding="expected_iou",
        agreement_temperature=0.3,
        top=10,
        loss=R2LossConfig(
            boundary=0.5, video=1.0, temperature=0.1, saliency_positives="all", saliency_negatives="batch"
        ),
    ),
}
TRAININGS = {
    # Section 4.2 and Table 8, QVHighlights; 500 iterations of warm-up are 9 epochs of its 7,218 queries
    "paper": TrainingConfig(
        epochs=30,
        batch_size=128,
        learning_rate=5e-4,
        weight_decay=1e-4,
        optimiser="adamw",
        warmup_epochs=9,
        gradient_clip=35.0,
    ),
    "demo": TRAINING["demo"],
    "small": replace(TRAINING["small"], epochs=8),
}


def _paper(learning_rate: float, batch_size: int, epochs: int, warmup_epochs: float) -> dict[str, Any]:
    return {
        "training.learning_rate": learning_rate,
        "training.batch_size": batch_size,
        "training.epochs": epochs,
        "training.warmup_epochs": warmup_epochs,
    }


SUMMARY = {"model.strides": "1", "model.saliency_from": "class"}
PAPER = {
    "qvhighlights": _paper(5e-4, 128, 30, 9),
    "charades_sta": _paper(2.5e-4, 32, 50, 1.3),
    "tacos": _paper(2.5e-4, 32, 100, 1.6),
    "tvsum": {**_paper(5e-4, 4, 500, 0), **SUMMARY},
    "youtube_highlights": {**_paper(5e-4, 4, 200, 0), **SUMMARY},
}
