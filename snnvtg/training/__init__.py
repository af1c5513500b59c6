"""Losses, the training loop, checkpoints and evaluation."""

from snnvtg.training.checkpoint import Checkpoint, load_checkpoint
from snnvtg.training.config import PRESETS, LossConfig, Preset, TrainingConfig
from snnvtg.training.evaluation import evaluate
from snnvtg.training.loop import train

__all__ = [
    "PRESETS",
    "Checkpoint",
    "LossConfig",
    "Preset",
    "TrainingConfig",
    "evaluate",
    "load_checkpoint",
    "train",
]
