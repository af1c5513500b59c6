"""Settings and training of R²-Tuning by preset, and the paper's for each benchmark (Table 8)."""

from typing import Any

from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.recipe import TRAINING, TrainingConfig

CONFIGS = {
    "paper": R2TuningConfig(),
    "demo": R2TuningConfig(num_layers=1, width=64, num_heads=4, input_dropout=0.1),
    "small": R2TuningConfig(num_layers=1, width=64, num_heads=4),
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
    "small": TRAINING["small"],
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
