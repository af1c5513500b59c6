"""Settings of MamFusion by preset, and its released ones for each benchmark."""

from dataclasses import replace
from typing import Any

from snnvtg.models.mamfusion.config import MamFusionConfig, MamFusionLossConfig
from snnvtg.models.recipe import TRAINING, TrainingConfig

_LOSS = MamFusionLossConfig(
    clip_nce=1.0,
    frame_nce=1.0,
    nce_logits="cosine",
    temperature=0.15,
    triplet=0.5,
    hard_negatives_from=8,
)
CONFIGS = {
    "paper": MamFusionConfig(),
    "demo": MamFusionConfig(
        width=48, num_clips=16, max_frames=128, state_size=8, projection="standardised", dropout=0.1, loss=_LOSS
    ),
    "small": MamFusionConfig(
        width=64,
        num_clips=16,
        max_frames=256,
        state_size=8,
        projection="standardised",
        linear_path=True,
        input_dropout=0.4,
        dropout=0.0,
        loss=_LOSS,
    ),
}
TRAININGS = {
    # BertAdam with a linear schedule and 1 % of warm-up, of 400 epochs; here a cosine in place of the line
    "paper": TrainingConfig(
        epochs=400,
        batch_size=256,
        learning_rate=3.8e-4,
        optimiser="adamw",
        weight_decay=0.01,
        schedule="cosine",
        warmup_epochs=4,
    ),
    "demo": replace(TRAINING["demo"], batch_size=32),
    "small": replace(TRAINING["small"], epochs=12, batch_size=64),
}
PAPER: dict[str, dict[str, Any]] = {
    "charades_sta": {},
    "activitynet_captions": {
        "model.num_heads": 8,
        "model.max_frames": 256,
        "model.input_dropout": 0.2,
        "model.dropout": 0.18,
        "model.loss.clip_nce": 0.027,
        "model.loss.frame_nce": 0.045,
        "model.loss.diversity": 0.015,
        "model.loss.diversity_margin": 0.2,
        "model.loss.hard_negatives_from": 20,
        "training.learning_rate": 4.5e-4,
        "training.epochs": 200,
        "training.warmup_epochs": 2,
    },
}
