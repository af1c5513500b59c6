"""The training loop, checkpoints and evaluation: they know the contract for models, and no model."""

from snnvtg.training.checkpoint import Checkpoint, load_checkpoint
from snnvtg.training.evaluation import evaluate
from snnvtg.training.loop import train

__all__ = ["Checkpoint", "evaluate", "load_checkpoint", "train"]
