"""Settings of MRNet by preset, and the paper's for each benchmark."""

from typing import Any

from snnvtg.models.mrnet.config import MRNetConfig, MRNetLossConfig
from snnvtg.models.recipe import TRAINING, TrainingConfig

CONFIGS = {
    # d = 256, two blocks, a map of 512 channels
    "paper": MRNetConfig(),
    # a minute on one core
    "demo": MRNetConfig(
        width=48, num_heads=4, num_clips=20, pre_pool=1, input_width=64, features="standardised", input_dropout=0.1,
        mlp_dropout=0.1, map_counts=(19,), map_channels=32, map_layers=2, map_kernel=3,
        loss=MRNetLossConfig(contrastive=1.0, saliency=0.5, iou_range=(0.3, 0.7)),
    ),
    # every choice by the validation split of a real set of two thousand queries; without the match space the answers
    # hardly depend on the video there
    "small": MRNetConfig(
        width=64, num_heads=4, num_clips=16, pre_pool=1, input_width=128, features="standardised", input_dropout=0.4,
        mlp_dropout=0.25, dropout=0.25, map_counts=(15,), map_channels=32, map_layers=2, map_kernel=3,
        match_space=64, contrastive_gain=10.0, saliency_gain=5.0,
        loss=MRNetLossConfig(
            contrastive=1.0, contrastive_temperature=0.3, contrastive_margin=0.0, saliency=1.0
        ),
    ),
}  # fmt: skip

TRAININGS = {
    # Section 4.2; the paper gives no number of epochs
    "paper": TrainingConfig(batch_size=12, learning_rate=1e-3, weight_decay=1e-5, optimiser="adamw", gradient_clip=5.0),
    "demo": TRAINING["demo"],
    "small": TrainingConfig(
        epochs=8, batch_size=32, learning_rate=2e-3, optimiser="adamw", weight_decay=0.05, schedule="cosine",
        warmup_epochs=1, ema_decay=0.99, gradient_clip=5.0,
    ),
}  # fmt: skip

PAPER: dict[str, dict[str, Any]] = {
    "charades_sta": {"model.loss.contrastive": 0.05, "training.learning_rate": 1e-3},
    "activitynet_captions": {"training.learning_rate": 8e-4},
    "tacos": {"training.learning_rate": 1.5e-3, "model.num_clips": 128},
    "qvhighlights": {
        "model.head": "moments",
        "model.num_clips": 75,
        "model.pre_pool": 1,
        "model.loss.saliency": 1.0,
        "training.learning_rate": 1e-4,
    },
}
"""Section 4.2; the learning rate for QVHighlights, which it leaves out, is that of Moment-DETR"""
