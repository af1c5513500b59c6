"""Settings of MRNet by preset, and the paper's for each benchmark."""

from typing import Any

from snnvtg.models.mrnet.config import MRNetConfig, MRNetLossConfig
from snnvtg.models.recipe import TRAINING, TrainingConfig

SMALL_LOSS = MRNetLossConfig(contrastive=1.0, saliency=0.5, iou_range=(0.3, 0.7))
CONFIGS = {
    # d = 256, two blocks, a map of 512 channels
    "paper": MRNetConfig(),
    "demo": MRNetConfig(
        width=48, num_heads=4, num_clips=20, pre_pool=1, input_width=64, features="standardised", input_dropout=0.1,
        mlp_dropout=0.1, map_counts=(19,), map_channels=32, map_layers=2, map_kernel=3, loss=SMALL_LOSS,
    ),
    "small": MRNetConfig(
        width=64, num_heads=4, num_clips=16, pre_pool=1, input_width=128, features="standardised", input_dropout=0.4,
        mlp_dropout=0.25, dropout=0.25, map_counts=(15,), map_channels=32, map_layers=2, map_kernel=3, loss=SMALL_LOSS,
    ),
}  # fmt: skip

TRAININGS = {
    "paper": TrainingConfig(batch_size=12, learning_rate=1e-3, weight_decay=1e-5, optimiser="adamw", gradient_clip=5.0),
    "demo": TRAINING["demo"],
    "small": TRAINING["small"],
}

PAPER: dict[str, dict[str, Any]] = {
    "charades_sta": {"model.loss.contrastive": 0.05, "training.learning_rate": 1e-3},
    "activitynet_captions": {"training.learning_rate": 8e-4},
    "tacos": {"training.learning_rate": 1.5e-3, "model.num_clips": 128},
    "qvhighlights": {
        "model.head": "moments", "model.num_clips": 75, "model.pre_pool": 1, "model.loss.saliency": 1.0,
        "training.learning_rate": 1e-4,
    },
}  # fmt: skip
"""Section 4.2; the learning rate for QVHighlights, which it leaves out, is that of Moment-DETR"""
